import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { removeTree } from '../../src/image/index.ts';
import { ownProgram, type Place } from '../process/index.ts';
import { makeFile, makeSmallFiles } from './make-tree.ts';
import { listTree, type ListedFile } from './tree-listing.ts';
import { encodeV1, hashV1, infoHashV1, type V1Info } from './v1-torrent.ts';

/** What is carried: an image in a store, and so a tree that is the same for all peers. */
export interface Payload {
  readonly imageId: string;
  /** Where `seeder seed` finds the image. */
  readonly store: string;
  /** The folder in which the tree lies, under its name: what BitTorrent clients call the save path. */
  readonly parent: string;
  readonly name: string;
  readonly files: readonly ListedFile[];
  readonly bytes: number;
  readonly pieceSizeBytes: number;
  readonly pieces: number;
  /** The v2 .torrent. */
  readonly torrent: string;
  readonly v1: V1Payload;
}

export interface V1Payload {
  readonly infoHash: string;
  /** The path of a v1-only .torrent without a tracker. */
  readonly torrent: string;
  /** The bytes of one with a tracker. */
  withTracker(url: string): Buffer;
}

export type PayloadKind = 'file' | 'small-files';

export interface PayloadInit {
  readonly kind: PayloadKind;
  readonly sizeBytes: number;
  readonly smallFiles: number;
  readonly seed: string;
}

const baked = z.object({
  id: z.string(),
  name: z.string(),
  pieceSizeBytes: z.int(),
  pieces: z.int(),
});

/** Makes a payload in the folder of `place`. */
export async function makePayload(init: PayloadInit, place: Place): Promise<Payload> {
  const { directory, signal } = place;
  const source = join(directory, 'source');
  const { seed, sizeBytes, smallFiles: count } = init;
  await (init.kind === 'file'
    ? makeFile(source, { sizeBytes, seed }, { signal })
    : makeSmallFiles(source, { count, seed }, { signal }));
  const store = join(directory, 'store');
  const named = ['--name', init.kind, '--version', '1', '--no-hybrid'];
  const bake = place.start(
    'seeder bake',
    ownProgram('seeder', 'bake', source, '--store', store, ...named),
  );
  const { value } = await bake.line(baked, 'what it baked');
  await bake.succeeded();
  await removeTree(source);
  const parent = join(store, value.id);
  const tree = join(parent, value.name);
  const files = await listTree(tree, { signal });
  const { name, pieceSizeBytes } = value;
  const v1 = await hashV1(tree, { name, pieceSizeBytes, files }, { signal });
  return {
    imageId: value.id,
    store,
    parent,
    name,
    files,
    bytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    pieceSizeBytes,
    pieces: value.pieces,
    torrent: join(parent, `${value.id}.torrent`),
    v1: await writeV1(v1, join(directory, 'v1')),
  };
}

async function writeV1(info: V1Info, directory: string): Promise<V1Payload> {
  await mkdir(directory);
  const torrent = join(directory, `${info.name}.torrent`);
  await writeFile(torrent, encodeV1(info));
  return { infoHash: infoHashV1(info), torrent, withTracker: (url) => encodeV1(info, url) };
}
