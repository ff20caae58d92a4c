/**
 * A process of the power cut test: takes images from a store elsewhere into the store of a host,
 * and activates them in turn, for as long as it lives. It says a line when an activation is done.
 *
 *     node activate-child.ts HOST SOURCE durable|careless
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Activation } from '../../fetcher/activation.ts';
import {
  durable,
  ImageStore,
  readManifest,
  type StoredImage,
  type TreeDurability,
} from '../../src/image/index.ts';
import { IncomingImage } from '../../src/swarm/incoming-image.ts';
import { writePiece } from '../tools/write-piece.ts';
import { openActivation } from './host-activation.ts';

const careless: TreeDurability = {
  syncFile: () => Promise.resolve(),
  syncDirectory: () => Promise.resolve(),
  syncTree: () => Promise.resolve(),
};

const [host = '', source = '', how] = process.argv.slice(2);
const durability = how === 'careless' ? careless : durable;
const signal = new AbortController().signal;
const store = new ImageStore({ durability }, { directory: join(host, 'store') });
const log = pino({ level: 'warn' }, pino.destination({ fd: 2, sync: true }));

/** Fetches an image as the fetcher does, only that its pieces come from a disk. */
async function takeIn(image: StoredImage): Promise<StoredImage> {
  if (await store.has(image.imageId)) return await store.read(image.imageId);
  const { metainfo } = image;
  await using incoming = await IncomingImage.open({ store, durability }, metainfo);
  for (let piece = 0; piece < metainfo.info.pieceCount; piece++) {
    if (incoming.have.has(piece)) continue;
    const data = Buffer.alloc(incoming.pieces.sizeBytes(piece));
    await using file = await open(join(image.tree, incoming.pieces.fileOf(piece).path));
    await file.read(data, 0, data.length, incoming.pieces.offsetBytes(piece));
    await writePiece(incoming, piece, data);
  }
  return await incoming.complete();
}

/** Removes what no generation needs any more, as the fetcher does. */
async function prune(activation: Activation): Promise<void> {
  for (const imageId of await activation.prune({ signal })) await store.remove(imageId);
}

async function run(): Promise<void> {
  await store.open();
  await using activation = await openActivation({ host, durability, log });
  const from = new ImageStore({ durability }, { directory: source });
  const images = await Promise.all((await from.list()).map((imageId) => from.read(imageId)));
  for (let release = (activation.status().generation?.number ?? 0) + 1; ; release++) {
    const image = images[release % images.length];
    if (image === undefined) throw new Error('there are no images to activate');
    const { imageId, tree } = await takeIn(image);
    const manifest = await readManifest(tree);
    const { number } = await activation.activate(
      { imageId, tree, manifest, release, version: manifest.version },
      { signal },
    );
    process.stdout.write(`${JSON.stringify({ acknowledged: number })}\n`);
    await prune(activation);
  }
}

await run();
