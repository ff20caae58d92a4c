import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StoredImage } from '../../../src/image/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { LyingPeer } from '../../tools/lying-peer.ts';
import { openExchange, type RunningExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { describeTree, type TreeSketch } from '../../tools/tree-sketch.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const sketch: TreeSketch = {
  'bin/app': { executable: seededBytes(1, 300_000) },
  'bin/latest': { link: 'app' },
  'data/large': seededBytes(2, 3_000_000),
  'data/same': seededBytes(2, 3_000_000),
  'data/empty': '',
  'data/one byte': 'x',
  'data/piece': seededBytes(3, 262_144),
  'имя/名前': 'not ASCII',
  'cache/empty': { directory: true },
};

async function openSeed(tree = sketch, hybrid = false) {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, tree, { hybrid });
  const seed = await openExchange(directory);
  return { image, seed, swarm: seed.exchange.seed(image) };
}

/** A new host that fetches the image from where it is told to. */
async function openFetcher(
  image: StoredImage,
  from: readonly { endpoint: RunningExchange['endpoint'] }[],
) {
  const directory = await temporaryDirectory();
  const host = await openExchange(directory);
  const swarm = host.exchange.fetch(image.imageId);
  for (const { endpoint } of from) host.exchange.addEndpoint(image.imageId, endpoint);
  return { ...host, swarm, directory };
}

async function expectSame(stored: StoredImage, image: StoredImage): Promise<void> {
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
}

test.each([false, true])('an image is fetched byte for byte (hybrid: %s)', async (hybrid) => {
  const { image, seed } = await openSeed(sketch, hybrid);
  const fetcher = await openFetcher(image, [seed]);
  const stored = await fetcher.swarm.completed;
  await expectSame(stored, image);
  expect(fetcher.swarm.status()).toMatchObject({
    state: 'seeding',
    name: 'app',
    verifiedBytes: image.metainfo.info.sizeBytes,
    receivedBytes: image.metainfo.info.sizeBytes,
  });
  expect(await readdir(join(fetcher.directory, 'store'))).toEqual([image.imageId]);
  expect((await readdir(join(fetcher.directory, 'store', image.imageId))).sort()).toEqual(
    ['app', `${image.imageId}.torrent`].sort(),
  );
});

test('an image without content is fetched too', async () => {
  const { image, seed } = await openSeed({ empty: '', link: { link: 'empty' } });
  const fetcher = await openFetcher(image, [seed]);
  await expectSame(await fetcher.swarm.completed, image);
});

test('an image that is called like a file of the folder it is fetched into is fetched', async () => {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, { file: 'x' }, { name: 'verified' });
  const seed = await openExchange(directory);
  seed.exchange.seed(image);
  const fetcher = await openFetcher(image, [seed]);
  await expectSame(await fetcher.swarm.completed, image);
});

test('of two seeds both give some of an image, and little is fetched twice', async () => {
  const { image, seed } = await openSeed();
  const peers = await Promise.all([1, 2].map(() => LyingPeer.open(image)));
  const fetcher = await openFetcher(image, peers);
  await expectSame(await fetcher.swarm.completed, image);
  expect(fetcher.swarm.status().receivedBytes).toBeLessThan(1.2 * image.metainfo.info.sizeBytes);
  for (const peer of peers) expect(peer.asked.blocks).toBeGreaterThan(0);
  await seed.exchange.leave(image.imageId);
});

test('who has fetched an image serves it on to others', async () => {
  const { image, seed } = await openSeed();
  const first = await openFetcher(image, [seed]);
  await first.swarm.completed;
  await seed.exchange[Symbol.asyncDispose]();
  const second = await openFetcher(image, [first]);
  await expectSame(await second.swarm.completed, image);
});

test('peers that have half of an image each make it whole', async () => {
  const { image } = await openSeed();
  const all = Array.from({ length: image.metainfo.info.pieceCount }, (_, piece) => piece);
  const even = await LyingPeer.open(image, { pieces: all.filter((piece) => piece % 2 === 0) });
  const odd = await LyingPeer.open(image, { pieces: all.filter((piece) => piece % 2 === 1) });
  const fetcher = await openFetcher(image, [even, odd]);
  await expectSame(await fetcher.swarm.completed, image);
  expect([...even.asked.pieces].every((piece) => piece % 2 === 0)).toBe(true);
});

test('a peer without the fast extension is fetched from', async () => {
  const { image } = await openSeed();
  const peer = await LyingPeer.open(image, { fast: false });
  const fetcher = await openFetcher(image, [peer]);
  await expectSame(await fetcher.swarm.completed, image);
});

test('a peer that connects by itself is fetched from and told of each piece', async () => {
  const { image } = await openSeed();
  const peer = await LyingPeer.open(image, { pieces: [0, 1, 2] });
  const other = await LyingPeer.open(image);
  const fetcher = await openFetcher(image, []);
  await peer.dial(fetcher.endpoint);
  await peer.until(() => peer.asked.pieces.size === 3);
  fetcher.exchange.addEndpoint(image.imageId, other.endpoint);
  await expectSame(await fetcher.swarm.completed, image);
  await peer.until(() => peer.received.have.size === image.metainfo.info.pieceCount - 3);
});

test('a hybrid image is served to who knows its v1 info-hash', async () => {
  const { image, seed } = await openSeed(sketch, true);
  const v1 = await LyingPeer.open(image, { pieces: [] });
  await v1.dial(seed.endpoint, image.metainfo.info.v1InfoHash);
  await v1.until(() => v1.connections === 1 && seed.exchange.status()[0]?.peers === 1);
});

test('who asks for an image that is not here is not answered', async () => {
  const { seed } = await openSeed();
  const { image: other } = await openSeed({ other: 'x' });
  const peer = await LyingPeer.open(other);
  await peer.dial(seed.endpoint);
  await peer.dropped();
  expect(seed.exchange.status()[0]?.peers).toBe(0);
});

test('two hosts that dial each other keep one connection', async () => {
  const { image, seed } = await openSeed({ large: seededBytes(9, 2_000_000) });
  const source = await LyingPeer.open(image, { lie: 'choked' });
  const [one, two] = [await openFetcher(image, [source]), await openFetcher(image, [source])];
  one.exchange.addEndpoint(image.imageId, two.endpoint);
  two.exchange.addEndpoint(image.imageId, one.endpoint);
  await Promise.all([one, two].map((host) => host.until(({ peers }) => peers === 2)));
  one.exchange.addEndpoint(image.imageId, seed.endpoint);
  await Promise.all([one.swarm.completed, two.swarm.completed]);
  expect(two.swarm.status().sources.length).toBeGreaterThan(0);
});

test('a host that dials itself gives up', async () => {
  const { image, seed } = await openSeed({ file: 'x' });
  const fetcher = await openFetcher(image, []);
  fetcher.exchange.addEndpoint(image.imageId, fetcher.endpoint);
  fetcher.exchange.addEndpoint(image.imageId, seed.endpoint);
  await expectSame(await fetcher.swarm.completed, image);
});

test('a file that lies on the host already is linked, not fetched', async () => {
  const { image, seed } = await openSeed();
  const fetcher = await openFetcher(image, [seed]);
  await fetcher.swarm.completed;
  const { image: newer, seed: newerSeed } = await openSeed({ ...sketch, 'data/new': 'new' });
  const next = fetcher.exchange.fetch(newer.imageId);
  fetcher.exchange.addEndpoint(newer.imageId, newerSeed.endpoint);
  await expectSame(await next.completed, newer);
  const { receivedBytes, reusedBytes, sizeBytes } = next.status();
  // The manifests say the same, so that file is reused as well.
  expect(reusedBytes).toBe(image.metainfo.info.sizeBytes);
  expect(receivedBytes).toBe((sizeBytes ?? 0) - reusedBytes);
});

test('a fetch that is left midway goes on where it was and fetches only the rest', async () => {
  const { image, seed } = await openSeed();
  const directory = await temporaryDirectory();
  const { sizeBytes } = image.metainfo.info;
  let receivedBytes = 0;
  for (const share of [0.3, 0.6]) {
    const host = await openExchange(directory, { downloadBytesPerSecond: 8_000_000 });
    const swarm = host.exchange.fetch(image.imageId);
    host.exchange.addEndpoint(image.imageId, seed.endpoint);
    const status = await host.until(({ verifiedBytes }) => verifiedBytes > share * sizeBytes);
    expect(status.state).toBe('fetching');
    await host.exchange[Symbol.asyncDispose]();
    await expect(swarm.completed).rejects.toMatchObject({ code: 'PEER_CLOSED' });
    receivedBytes += swarm.status().verifiedBytes;
  }
  const host = await openExchange(directory);
  const swarm = host.exchange.fetch(image.imageId);
  host.exchange.addEndpoint(image.imageId, seed.endpoint);
  await expectSame(await swarm.completed, image);
  expect(swarm.status().receivedBytes).toBeLessThan(0.6 * sizeBytes);
  expect(receivedBytes).toBeGreaterThan(0);
});

test('an image that the store has already is served, not fetched', async () => {
  const { image, seed } = await openSeed();
  const again = seed.exchange.seed(image);
  expect(again).toBe(seed.exchange.fetch(image.imageId));
  expect(await again.completed).toBe(image);
  expect(again.status()).toMatchObject({ state: 'seeding', receivedBytes: 0 });
});

test('a peer that vanishes midway is made up for by another', async () => {
  const { image, seed } = await openSeed();
  const vanishing = await LyingPeer.open(image, { lie: 'closesMidway', blocksUntilClose: 30 });
  const fetcher = await openFetcher(image, [vanishing]);
  await vanishing.dropped();
  fetcher.exchange.addEndpoint(image.imageId, seed.endpoint);
  await expectSame(await fetcher.swarm.completed, image);
  expect(fetcher.swarm.isBanned(vanishing.nextPeerId().toString('hex'))).toBe(false);
});

/** The files of tests and the sockets that this process has open. */
async function openResources(): Promise<string[]> {
  const numbers = await readdir('/proc/self/fd');
  const targets = await Promise.all(
    numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => '')),
  );
  return targets.filter((at) => at.includes('starling-test-') || at.startsWith('socket:')).sort();
}

const timers = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('leaving and closing leave no file, socket or timer behind, at whatever moment', async () => {
  const [filesBefore, timersBefore] = [await openResources(), timers()];
  const { image, seed } = await openSeed();
  for (const share of [0, 0.1, 0.4, 0.9, 1]) {
    const host = await openExchange(await temporaryDirectory());
    host.exchange.fetch(image.imageId);
    host.exchange.addEndpoint(image.imageId, seed.endpoint);
    await host.until(({ verifiedBytes }) => verifiedBytes >= share * image.metainfo.info.sizeBytes);
    await host.exchange.leave(image.imageId);
    expect(host.exchange.status()).toEqual([]);
    await host.exchange[Symbol.asyncDispose]();
    await seed.until(({ peers }) => peers === 0);
  }
  await seed.exchange[Symbol.asyncDispose]();
  expect(await openResources()).toEqual(filesBefore);
  expect(timers()).toBeLessThanOrEqual(timersBefore);
});

test('a connection that opens after its swarm was left is closed', async () => {
  const { image } = await openSeed();
  const late = await LyingPeer.open(image, { lie: 'lateHandshake' });
  const fetcher = await openFetcher(image, [late]);
  await late.until(() => late.connections === 1);
  await fetcher.exchange.leave(image.imageId);
  late.release();
  await late.dropped();
});

test('an address that is taken is an error of who typed it', async () => {
  const one = await openExchange(await temporaryDirectory());
  await expect(
    openExchange(await temporaryDirectory(), { port: one.exchange.port }),
  ).rejects.toMatchObject({ code: 'CONFIG_IN_USE' });
});

test('the metainfo in the store of who fetched is that of who baked', async () => {
  const { image, seed } = await openSeed();
  const fetcher = await openFetcher(image, [seed]);
  await fetcher.swarm.completed;
  const name = join(image.imageId, `${image.imageId}.torrent`);
  const fetched = await readFile(join(fetcher.directory, 'store', name));
  expect(fetched.equals(await readFile(join(seed.store.directory, name)))).toBe(true);
});

test.each([0, 1])('what was sent is counted to the last byte (%s threads)', async (threads) => {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, sketch);
  const seed = await openExchange(directory, { threads });
  const swarm = seed.exchange.seed(image);
  const fetcher = await openFetcher(image, [seed]);
  await fetcher.swarm.completed;
  // At once: its data planes tell of it only now and then.
  await seed.exchange[Symbol.asyncDispose]();
  expect(swarm.status().sentBytes).toBe(fetcher.swarm.status().receivedBytes);
});
