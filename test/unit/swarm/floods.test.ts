import { describe, expect, test } from 'vitest';
import type { StoredImage } from '../../../src/image/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import type { Lie } from '../../tools/lies.ts';
import { LyingPeer, type LyingPeerInit } from '../../tools/lying-peer.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { newSealedHost, sealOf } from '../../tools/sealed-host.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { describeTree, type TreeSketch } from '../../tools/tree-sketch.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const sketch = { large: seededBytes(1, 2_500_000), 'd/other': seededBytes(2, 700_000), small: 'x' };
/** Of the host and of who floods it, who are in one process here. */
const boundBytes = 96 << 20;

/** Of many files, so that its info dictionary is larger than one answer. */
const bakeMany = async (): Promise<StoredImage> => {
  const files = Array.from({ length: 400 }, (_, index) => [`file ${index}`, `${index}`]);
  return await bakeSketch(await temporaryDirectory(), Object.fromEntries(files) as TreeSketch);
};

const bakeHere = async (): Promise<StoredImage> =>
  await bakeSketch(await temporaryDirectory(), sketch);

/** The most memory that the process has while `work` goes on, above what it had before. */
async function growthDuring(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 5);
  try {
    await work();
    return Math.max(most, process.memoryUsage.rss()) - before;
  } finally {
    clearInterval(timer);
  }
}

/** The hosts of a swarm, sealed or not. */
async function fleet(sealed: boolean) {
  const [host, liar, seed] = await Promise.all([1, 2, 3].map(() => newSealedHost()));
  if (!sealed || host === undefined || liar === undefined || seed === undefined) return undefined;
  return { seal: sealOf(host, liar, seed), liar: { tls: liar.tls }, seed: { tls: seed.tls } };
}

async function openSwarm(image: StoredImage, lie: Lie, sealed = false) {
  const members = await fleet(sealed);
  const host = await openExchange(await temporaryDirectory(), {
    ...(members === undefined ? {} : { seal: members.seal }),
  });
  const open = async (init: LyingPeerInit) => await LyingPeer.open(image, init);
  const liar = await open({ lie, ...members?.liar });
  const seed = await open({ ...members?.seed });
  return { host, liar, seed };
}

async function expectFetched(swarm: { completed: Promise<StoredImage> }, image: StoredImage) {
  const stored = await swarm.completed;
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
}

/** Its connection ends, or it has said all that it repeats. */
const saidAll = async (liar: LyingPeer): Promise<void> => {
  await Promise.race([liar.dropped(), liar.until(({ flooded }) => flooded)]);
};

const cases = (...lies: Lie[]) => lies.flatMap((lie) => [{ lie, sealed: false }]);
const sealedToo = (...lies: Lie[]) => lies.map((lie) => ({ lie, sealed: true }));

describe('a seed stays small and serves others when somebody', () => {
  test.each([
    ...cases('haveFlood', 'extensionFlood', 'keepAliveFlood', 'cancelFlood'),
    ...cases('hashFlood', 'metadataFlood', 'largeRequests', 'requestFlood'),
    ...sealedToo('metadataFlood', 'largeRequests'),
  ])('$lie (sealed: $sealed)', async ({ lie, sealed }) => {
    const image = lie === 'metadataFlood' ? await bakeMany() : await bakeHere();
    const members = await fleet(sealed);
    const directory = await temporaryDirectory();
    const seal = members === undefined ? {} : { seal: members.seal };
    const seed = await openExchange(directory, seal);
    seed.exchange.seed(image);
    const liar = await LyingPeer.open(image, { lie, ...members?.liar });
    const growth = await growthDuring(async () => {
      await liar.dial(seed.endpoint);
      await saidAll(liar);
      const witness = await LyingPeer.open(image, { pieces: [], ...members?.seed });
      await witness.dial(seed.endpoint);
      await witness.until(({ received }) => received.unchokes > 0);
    });
    expect(growth).toBeLessThan(boundBytes);
  });
});

describe('an image is fetched all the same, and the host stays small, when a peer', () => {
  test.each([
    ...cases('longerBlocks', 'oversizeBlocks', 'haveFlood', 'extensionFlood', 'keepAliveFlood'),
    ...cases('hashFlood', 'metadataFlood', 'cancelFlood', 'flapping'),
    ...sealedToo('wrongBlocks', 'longerBlocks', 'oversizeMessage', 'garbage', 'flapping'),
    ...sealedToo('unsolicitedBlocks', 'wrongHashes', 'wrongMetadata', 'withholdsBlocks'),
  ])('$lie (sealed: $sealed)', async ({ lie, sealed }) => {
    const image = await bakeHere();
    const { host, liar, seed } = await openSwarm(image, lie, sealed);
    const growth = await growthDuring(async () => {
      const swarm = host.exchange.fetch(image.imageId);
      host.exchange.addEndpoint(image.imageId, liar.endpoint);
      await liar.until(({ connections }) => connections > 0);
      host.exchange.addEndpoint(image.imageId, seed.endpoint);
      await expectFetched(swarm, image);
    });
    expect(growth).toBeLessThan(boundBytes);
  });
});

describe('a block that is not what was asked for ends the connection when it', () => {
  test.each<Lie>(['longerBlocks', 'oversizeBlocks'])('%s', async (lie) => {
    const image = await bakeHere();
    const { host, liar } = await openSwarm(image, lie);
    const swarm = host.exchange.fetch(image.imageId);
    host.exchange.addEndpoint(image.imageId, liar.endpoint);
    await liar.dropped();
    expect(swarm.status().verifiedBytes).toBe(0);
  });
});

test.each([false, true])('blocks may come in another order (sealed: %s)', async (sealed) => {
  const image = await bakeHere();
  const { host, liar } = await openSwarm(image, 'otherOrder', sealed);
  const swarm = host.exchange.fetch(image.imageId);
  host.exchange.addEndpoint(image.imageId, liar.endpoint);
  await expectFetched(swarm, image);
});

test('peers that send pieces which can not be do not hold the host up', async () => {
  const image = await bakeHere();
  const { host, seed } = await openSwarm(image, 'none');
  const swarm = host.exchange.fetch(image.imageId);
  for (let count = 0; count < 3; count++) {
    const liar = await LyingPeer.open(image, { lie: 'haveAllThenTooMany' });
    host.exchange.addEndpoint(image.imageId, liar.endpoint);
    await liar.dropped();
  }
  host.exchange.addEndpoint(image.imageId, seed.endpoint);
  await expectFetched(swarm, image);
});
