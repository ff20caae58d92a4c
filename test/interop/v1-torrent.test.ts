import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodeV1Torrent, makeV1Torrent } from '../../src/image/index.ts';
import { bakeSketch } from '../tools/baked-image.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { carriedTree } from './carried-tree.ts';
import { imageFolder } from './image-files.ts';
import { LibtorrentClient } from './libtorrent-client.ts';
import { LibtorrentDescriber } from './libtorrent-describer.ts';
import { describeWithLibtorrent } from './libtorrent.ts';
import { withoutLinks } from './plain-tree.ts';
import { smallPieceBytes, travellingTree } from './travelling-tree.ts';

describeWithLibtorrent('libtorrent and the v1-only torrent of an image', () => {
  const describer = new LibtorrentDescriber();

  test.each([{ hybrid: false }, { hybrid: true }])(
    'it reads the info-hash, finds all pieces in the store, and seeds them (hybrid: $hybrid)',
    async ({ hybrid }) => {
      const image = await bakeSketch(
        await temporaryDirectory(),
        travellingTree(2 * smallPieceBytes),
        { hybrid, pieceSizeBytes: 2 * smallPieceBytes },
      );
      const made = await makeV1Torrent(image);
      const torrent = join(await temporaryDirectory(), 'v1.torrent');
      await writeFile(torrent, encodeV1Torrent(made));
      const infoHash = made.layout.infoHash.toString('hex');
      const read = await describer.torrent(torrent);
      expect(read).toEqual({ infoHash: null, v1InfoHash: infoHash });

      // It hashes what lies there, and is whole when every piece is right.
      const source = { torrent };
      const seed = await LibtorrentClient.start({ source, savePath: imageFolder(image) });
      await seed.whole();

      // The executables stay such, by their attribute; links are not in it.
      const savePath = await temporaryDirectory();
      const leech = await LibtorrentClient.start({ source, savePath });
      leech.connect(seed.port);
      await leech.whole();
      const expected = withoutLinks(await carriedTree(image.tree));
      expect(await carriedTree(join(savePath, 'app'))).toEqual(expected);
    },
  );
});
