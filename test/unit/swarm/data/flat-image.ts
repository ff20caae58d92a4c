import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { blockBytes, hashBlocks, pieceRoot } from '../../../../src/image/merkle.ts';
import {
  makeImageLayout,
  setHeld,
  type ImageLayoutData,
} from '../../../../src/swarm/data/image-layout.ts';
import { OpenImage } from '../../../../src/swarm/data/open-image.ts';
import { SharedRate } from '../../../../src/swarm/data/shared-rate.ts';

/** The files of an image by path, none of them empty. */
export type FlatFiles = Readonly<Record<string, Buffer>>;

/** An image for tests of the data planes: made of files alone, without metainfo and store. */
export interface FlatImage {
  readonly layout: ImageLayoutData;
  readonly open: OpenImage;
  readonly files: FlatFiles;
  /** What a piece holds, without the zeros after the end of its file. */
  contentOf(piece: number): Buffer;
}

/** Lays out files as BEP 52 does: each begins a piece. Nothing is written and no piece is held. */
export function flatImage(init: {
  readonly files: FlatFiles;
  readonly pieceSizeBytes: number;
  readonly tree?: string;
  readonly key?: number;
}): FlatImage {
  const { files, pieceSizeBytes, tree = '/nowhere', key = 1 } = init;
  const pieces: { data: Buffer; alone: boolean }[] = [];
  const places = Object.entries(files).map(([path, content]) => {
    const startBytes = pieces.length * pieceSizeBytes;
    const alone = content.length <= pieceSizeBytes;
    for (let at = 0; at < content.length; at += pieceSizeBytes) {
      pieces.push({ data: content.subarray(at, at + pieceSizeBytes), alone });
    }
    return { path, startBytes, sizeBytes: content.length };
  });
  const contentOf = (piece: number): Buffer => pieces[piece]?.data ?? Buffer.alloc(0);
  const layout = makeImageLayout({
    pieceSizeBytes,
    pieceCount: pieces.length,
    files: places,
    hashOf: (piece) =>
      pieceRoot(
        hashBlocks(contentOf(piece)),
        pieceSizeBytes / blockBytes,
        pieces[piece]?.alone === true,
      ),
  });
  const rate = () => SharedRate.create(Infinity);
  const open = new OpenImage({ key, layout, tree, uploadRate: rate(), downloadRate: rate() });
  return { layout, open, files, contentOf };
}

/** The same, with its files on disk and all its pieces held. */
export async function writtenImage(init: {
  readonly files: FlatFiles;
  readonly pieceSizeBytes: number;
  readonly tree: string;
  readonly key?: number;
}): Promise<FlatImage> {
  const image = flatImage(init);
  for (const [path, content] of Object.entries(init.files)) {
    const at = join(init.tree, path);
    await mkdir(dirname(at), { recursive: true });
    await writeFile(at, content);
  }
  for (let piece = 0; piece < image.layout.pieceCount; piece++) setHeld(image.layout, piece, true);
  return image;
}
