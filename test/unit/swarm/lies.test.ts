import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { encodeBencode, imageIdOf, sha256, type StoredImage } from '../../../src/image/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import type { Lie } from '../../tools/lies.ts';
import { LyingPeer } from '../../tools/lying-peer.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { describeTree } from '../../tools/tree-sketch.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const sketch = {
  large: seededBytes(1, 2_500_000),
  'd/other': seededBytes(2, 700_000),
  'd/link': { link: 'other' },
  small: 'x',
};

const bakeHere = async (): Promise<StoredImage> =>
  await bakeSketch(await temporaryDirectory(), sketch);

async function openFetcher(image: StoredImage, init: { infoBytes?: number } = {}) {
  const directory = await temporaryDirectory();
  const host = await openExchange(directory);
  const swarm = host.exchange.fetch(image.imageId, init);
  const connect = (peer: LyingPeer) => {
    host.exchange.addEndpoint(image.imageId, peer.endpoint);
  };
  return { ...host, swarm, connect, directory };
}

type Fetcher = Awaited<ReturnType<typeof openFetcher>>;

const idOf = (peer: LyingPeer): string => peer.nextPeerId().toString('hex');

/** What is on disk of an image that is being fetched, apart from its metainfo. */
async function bytesOnDisk(fetcher: Fetcher, image: StoredImage): Promise<Buffer[]> {
  const tree = join(fetcher.directory, 'store', `.incoming-${image.imageId}`, 'app');
  const files = image.metainfo.info.files.map(({ path }) => join(tree, path));
  return await Promise.all(files.map((path) => readFile(path).catch(() => Buffer.alloc(0))));
}

/** Lies for which a peer is never connected again, and for which its connection ends. */
const banning: Lie[] = [
  'wrongBlocks',
  'oneWrongBlockAPiece',
  'wrongHashes',
  'wrongMetadata',
  'endlessMetadata',
];
const dropping: Lie[] = [
  'oversizeMessage',
  'garbage',
  'unsolicitedBlocks',
  'requestFlood',
  'inventsPieces',
];
const harmless: Lie[] = [
  'withholdsBlocks',
  'hugeMetadataSize',
  'rejectsMetadata',
  'rejectsEverything',
  'requestsOutOfRange',
  'closesMidway',
  'choked',
];

describe('from a liar and a seed an image is fetched whole when the liar', () => {
  test.each([...banning, ...dropping, ...harmless])('%s', async (lie) => {
    const image = await bakeHere();
    const liar = await LyingPeer.open(image, { lie });
    const fetcher = await openFetcher(image);
    fetcher.connect(liar);
    await liar.until(() => liar.connections > 0);
    if (banning.includes(lie) || dropping.includes(lie)) {
      // Alone with it: it can't be passed over.
      await liar.dropped();
    }
    const seed = await LyingPeer.open(image);
    fetcher.connect(seed);
    const stored = await fetcher.swarm.completed;
    expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
    expect(fetcher.swarm.isBanned(idOf(liar))).toBe(banning.includes(lie));
    expect(fetcher.swarm.isBanned(idOf(seed))).toBe(false);
  });
});

describe('who stalls is given up, and the image is fetched from another, when it is', () => {
  test.each<Lie>(['silent', 'slowLoris', 'noHandshake'])('%s', async (lie) => {
    const image = await bakeHere();
    const liar = await LyingPeer.open(image, { lie });
    const fetcher = await openFetcher(image);
    fetcher.connect(liar);
    await liar.until(() => liar.connections > 0);
    const seed = await LyingPeer.open(image);
    fetcher.connect(seed);
    // The stalling peer holds the requests for hashes, or none.
    await fetcher.until(({ state }) => state !== 'metadata');
    if (lie !== 'noHandshake') fetcher.advance(11_000);
    const stored = await fetcher.swarm.completed;
    expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
    expect(seed.asked.blocks).toBeGreaterThan(0);
  });
});

describe('from a liar alone nothing is verified, served or put into the store when it', () => {
  test.each<Lie>(['wrongBlocks', 'wrongHashes', 'wrongMetadata', 'garbage', 'unsolicitedBlocks'])(
    '%s',
    async (lie) => {
      const image = await bakeHere();
      const liar = await LyingPeer.open(image, { lie });
      const fetcher = await openFetcher(image);
      fetcher.connect(liar);
      await liar.dropped();
      const status = fetcher.swarm.status();
      expect(status).toMatchObject({ verifiedPieces: 0, verifiedBytes: 0 });
      expect(status.state).not.toBe('seeding');
      expect(await fetcher.store.list()).toEqual([]);
      expect(Buffer.concat(await bytesOnDisk(fetcher, image))).toHaveLength(0);
      const witness = await LyingPeer.open(image, { pieces: [] });
      await witness.dial(fetcher.endpoint);
      await witness.until(() => witness.received.unchokes > 0);
      expect(witness.received.have.size).toBe(0);
    },
  );
});

test('an info dictionary of another size than was signed bans who offers it', async () => {
  const image = await bakeHere();
  const infoBytes = image.metainfo.info.encoded.length;
  for (const lie of ['otherMetadataSize', 'endlessMetadata'] as const) {
    const liar = await LyingPeer.open(image, { lie });
    const fetcher = await openFetcher(image, { infoBytes });
    fetcher.connect(liar);
    await liar.dropped();
    expect(fetcher.swarm.isBanned(idOf(liar))).toBe(true);
    expect(liar.asked.metadata).toBe(0);
  }
});

test('peers that reject or delay the info dictionary do not keep others from giving it', async () => {
  const image = await bakeHere();
  const liars = await Promise.all(
    (['rejectsMetadata', 'silentMetadata', 'rejectsMetadata', 'silentMetadata'] as const).map(
      (lie) => LyingPeer.open(image, { lie }),
    ),
  );
  const fetcher = await openFetcher(image);
  for (const liar of liars) fetcher.connect(liar);
  for (const liar of liars.slice(0, 2)) await liar.until(() => liar.asked.metadata > 0);
  const seed = await LyingPeer.open(image);
  fetcher.connect(seed);
  fetcher.advance(6_000);
  await fetcher.swarm.completed;
  expect(seed.asked.metadata).toBeGreaterThan(0);
});

test('peers that each send one bad block of a piece are all convicted, and no other', async () => {
  const image = await bakeHere();
  const liars = await Promise.all(
    [1, 2, 3].map(() => LyingPeer.open(image, { lie: 'oneWrongBlockAPiece' })),
  );
  const honest = await Promise.all([1, 2].map(() => LyingPeer.open(image)));
  const fetcher = await openFetcher(image);
  for (const peer of [...liars, ...honest]) fetcher.connect(peer);
  const stored = await fetcher.swarm.completed;
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
  for (const peer of honest) expect(fetcher.swarm.isBanned(idOf(peer))).toBe(false);
  for (const liar of liars.filter(({ asked }) => asked.blocks > 0)) {
    expect(fetcher.swarm.isBanned(idOf(liar))).toBe(true);
  }
});

test('a piece that a peer began and does not finish is fetched whole from another', async () => {
  const image = await bakeSketch(await temporaryDirectory(), { one: seededBytes(3, 262_144) });
  const liar = await LyingPeer.open(image, { lie: 'wrongBlocksThenRejects', pieces: [1] });
  const fetcher = await openFetcher(image);
  fetcher.connect(liar);
  await vi.waitFor(() => {
    expect(fetcher.swarm.status().receivedBytes).toBeGreaterThan(0);
  });
  const wasted = fetcher.swarm.status().receivedBytes;
  const honest = await LyingPeer.open(image);
  fetcher.connect(honest);
  const stored = await fetcher.swarm.completed;
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
  // It has sent what it would not stand by: no piece is made of the blocks of two peers.
  expect(fetcher.swarm.status().receivedBytes).toBe(wasted + image.metainfo.info.sizeBytes);
  expect(fetcher.swarm.isBanned(idOf(honest))).toBe(false);
});

test('what is served is only what was verified', async () => {
  const image = await bakeHere();
  const liar = await LyingPeer.open(image, { lie: 'wrongBlocks' });
  const seed = await LyingPeer.open(image);
  const fetcher = await openFetcher(image);
  fetcher.connect(liar);
  await liar.dropped();
  fetcher.connect(seed);
  const other = await openFetcher(image);
  other.exchange.addEndpoint(image.imageId, fetcher.endpoint);
  const stored = await other.swarm.completed;
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
  expect(other.swarm.isBanned(fetcher.exchange.peerId.toString('hex'))).toBe(false);
});

test('who was banned is not dialed again, also under a new name', async () => {
  const image = await bakeHere();
  const liar = await LyingPeer.open(image, { lie: 'wrongBlocks', changesId: true });
  const fetcher = await openFetcher(image);
  fetcher.connect(liar);
  await liar.dropped();
  const again = await LyingPeer.open(image);
  fetcher.advance(300_000);
  fetcher.connect(liar);
  fetcher.connect(again);
  await fetcher.swarm.completed;
  expect(liar.connections).toBe(1);
});

test('a liar that comes back by itself is sent away', async () => {
  const image = await bakeHere();
  const liar = await LyingPeer.open(image, { lie: 'wrongBlocks' });
  const fetcher = await openFetcher(image);
  await liar.dial(fetcher.endpoint);
  await liar.dropped();
  const { blocks } = liar.asked;
  await liar.dial(fetcher.endpoint);
  await liar.dropped(2);
  expect(liar.asked.blocks).toBe(blocks);
});

test('a seed bounds what it holds for who asks and does not read', async () => {
  const image = await bakeHere();
  const seed = await openExchange(await temporaryDirectory());
  seed.exchange.seed(image);
  const liar = await LyingPeer.open(image, { lie: 'requestFlood' });
  await liar.dial(seed.endpoint);
  await liar.dropped();
});

test('a seed drops who asks for what is no block', async () => {
  const image = await bakeHere();
  const seed = await openExchange(await temporaryDirectory());
  seed.exchange.seed(image);
  const liar = await LyingPeer.open(image, { lie: 'requestsOutOfRange' });
  await liar.dial(seed.endpoint);
  await liar.dropped();
});

test('an image whose own info dictionary is hostile fails, and its seed is not blamed', async () => {
  const image = await bakeHere();
  const encodedInfo = encodeBencode({
    'file tree': { '..': { x: { '': { length: 0 } } } },
    'meta version': 2,
    name: 'app',
    'piece length': 262_144,
  });
  const imageId = imageIdOf(sha256(encodedInfo));
  const peer = await LyingPeer.open({ ...image, imageId }, { encodedInfo });
  const fetcher = await openFetcher({ ...image, imageId });
  fetcher.exchange.addEndpoint(imageId, peer.endpoint);
  await expect(fetcher.swarm.completed).rejects.toMatchObject({ code: 'IMAGE_METAINFO' });
  expect(fetcher.swarm.status()).toMatchObject({ state: 'failed' });
  expect(fetcher.swarm.isBanned(idOf(peer))).toBe(false);
  expect(await readdir(join(fetcher.directory, 'store'))).toEqual([]);
});
