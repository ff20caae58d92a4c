import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeV1Torrent, type StoredImage, type V1Torrent } from '../../../src/image/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { LyingPeer } from '../../tools/lying-peer.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { describeTree, type TreeSketch } from '../../tools/tree-sketch.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const pieceSizeBytes = 64 << 10;
const sketch: TreeSketch = {
  'a/first': 'so that all behind it lies off',
  'b/large': seededBytes(1, 30 * pieceSizeBytes + 999),
  ...Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => [`c/${index}`, seededBytes(index, 200 * index)]),
  ),
  'd/pieces': seededBytes(2, 4 * pieceSizeBytes),
  link: { link: 'a/first' },
};

async function bakeV1() {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, sketch, { pieceSizeBytes });
  return { directory, image, torrent: await makeV1Torrent(image) };
}

/** A host that has the image, and offers it by its v1-only torrent alone. */
async function seedV1(directory: string, image: StoredImage, torrent: V1Torrent) {
  const seed = await openExchange(directory);
  seed.exchange.seedV1(image, torrent);
  return seed;
}

async function fetchV1(image: StoredImage, torrent: V1Torrent) {
  const { exchange } = await openExchange(await temporaryDirectory());
  const { metainfo } = image;
  const swarm = exchange.fetch(image.imageId, { metainfo, v1: torrent.layout });
  return { exchange, swarm };
}

test('an image is fetched byte for byte, and once, by its v1-only torrent', async () => {
  const { directory, image, torrent } = await bakeV1();
  const seed = await seedV1(directory, image, torrent);
  const { exchange, swarm } = await fetchV1(image, torrent);
  exchange.addEndpoint(image.imageId, seed.endpoint);
  const stored = await swarm.completed;
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
  expect(swarm.status().receivedBytes).toBe(image.metainfo.info.sizeBytes);
});

test('from a v1-only peer and one that knows the image itself, at the same time', async () => {
  const { directory, image, torrent } = await bakeV1();
  const seed = await seedV1(directory, image, torrent);
  const other = await LyingPeer.open(image, { pieces: [0, 1, 2, 3, 4, 5] });
  const { exchange, swarm } = await fetchV1(image, torrent);
  for (const { endpoint } of [other, seed]) exchange.addEndpoint(image.imageId, endpoint);
  const stored = await swarm.completed;
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
});

test('a v1-only peer that sends something else is banned, and none of it kept', async () => {
  const { directory, image, torrent } = await bakeV1();
  const path = join(image.tree, 'b/large');
  const truth = await readFile(path);
  await chmod(path, 0o644);
  await writeFile(path, Buffer.alloc(truth.length, 'lie'));
  const liar = await seedV1(directory, image, torrent);
  const { exchange, swarm } = await fetchV1(image, torrent);
  exchange.addEndpoint(image.imageId, liar.endpoint);
  await expect.poll(() => swarm.isBanned(liar.exchange.peerId.toString('hex'))).toBe(true);
  await writeFile(path, truth);
  await chmod(path, 0o444);
  const honest = await seedV1(directory, image, torrent);
  exchange.addEndpoint(image.imageId, honest.endpoint);
  const stored = await swarm.completed;
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
});

test('a v1-only peer is told of no pieces, and sent none', async () => {
  const { image, torrent } = await bakeV1();
  const { exchange, swarm } = await fetchV1(image, torrent);
  const seed = await LyingPeer.open(image);
  exchange.addEndpoint(image.imageId, seed.endpoint);
  await swarm.completed;
  const other = await LyingPeer.open(image, { pieces: [] });
  await other.dial({ host: '127.0.0.1', port: exchange.port }, torrent.layout.infoHash);
  await other.until(({ received }) => received.unchokes > 0);
  expect(other.received.have.size).toBe(0);
});
