import { readdir, readlink } from 'node:fs/promises';
import type * as workerThreads from 'node:worker_threads';
import type { Worker } from 'node:worker_threads';
import { describe, expect, test, vi } from 'vitest';
import type { StoredImage } from '../../../../src/image/index.ts';
import { LocalLane, ThreadLane, type DataLane } from '../../../../src/swarm/data/data-lane.ts';
import { DataLanes } from '../../../../src/swarm/data/data-lanes.ts';
import type { DataEvent, DataPlaneInit } from '../../../../src/swarm/data/data-protocol.ts';
import { SharedRate } from '../../../../src/swarm/data/shared-rate.ts';
import { bakeSketch } from '../../../tools/baked-image.ts';
import { openExchange } from '../../../tools/running-exchange.ts';
import { seededBytes } from '../../../tools/seeded-random.ts';
import { describeTree } from '../../../tools/tree-sketch.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';
import { flatImage } from './flat-image.ts';

/** The threads that were made, so that a test can end one as nothing in the program would. */
const workers = vi.hoisted<Worker[]>(() => []);
vi.mock('node:worker_threads', async (original) => {
  const all = await original<typeof workerThreads>();
  class NotedWorker extends all.Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      // Others hash files.
      if (args[1]?.name === 'data') workers.push(this);
    }
  }
  return { ...all, Worker: NotedWorker };
});

/**
 * Lets a thread die of a fault, which is how one would: what it is sent is no list of commands. (To
 * terminate it from outside can crash Node: nodejs/node issues 43182 and 38418.)
 */
async function die(worker: Worker | undefined): Promise<void> {
  if (worker === undefined) throw new Error('there is no such thread');
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  worker.postMessage(undefined);
  await exited;
}

const sketch = {
  large: seededBytes(1, 4_000_000),
  'd/other': seededBytes(2, 700_000),
  ...Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`s/${at}`, seededBytes(at, 9_000)])),
};

/** What of this process's tests is open. */
async function openResources(): Promise<string[]> {
  const numbers = await readdir('/proc/self/fd');
  const targets = await Promise.all(
    numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => '')),
  );
  return targets.filter((at) => at.includes('starling-test-') || at.startsWith('socket:')).sort();
}

const timers = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

async function expectNothingLeft(before: { files: string[]; timers: number }): Promise<void> {
  await vi.waitFor(async () => {
    expect(await openResources()).toEqual(before.files);
  });
  expect(timers()).toBeLessThanOrEqual(before.timers);
}

async function openPair(threads: number, uploadBytesPerSecond = Infinity) {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, sketch);
  const seed = await openExchange(directory, { threads, uploadBytesPerSecond });
  seed.exchange.seed(image);
  const host = await openExchange(await temporaryDirectory(), { threads });
  const swarm = host.exchange.fetch(image.imageId);
  host.exchange.addEndpoint(image.imageId, seed.endpoint);
  return { image, seed, host, swarm };
}

async function expectSame(stored: StoredImage, image: StoredImage): Promise<void> {
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
}

describe.each([0, 1, 2])('with %s threads', (threads) => {
  test('an image is fetched byte for byte, and served by who has fetched it', async () => {
    const { image, seed, host, swarm } = await openPair(threads);
    await expectSame(await swarm.completed, image);
    await seed.exchange[Symbol.asyncDispose]();
    const third = await openExchange(await temporaryDirectory(), { threads });
    const again = third.exchange.fetch(image.imageId);
    third.exchange.addEndpoint(image.imageId, host.endpoint);
    await expectSame(await again.completed, image);
  });

  test('closing in the middle of a transfer leaves no socket, file or timer', async () => {
    const before = { files: await openResources(), timers: timers() };
    const { seed, host } = await openPair(threads, 4 << 20);
    await host.until(({ verifiedPieces }) => verifiedPieces > 0);
    await host.exchange[Symbol.asyncDispose]();
    await seed.exchange[Symbol.asyncDispose]();
    await expectNothingLeft(before);
  });
});

test('a thread that dies makes its swarm fail with a clear error, and leaves nothing open', async () => {
  const before = { files: await openResources(), timers: timers() };
  const made = workers.length;
  const { seed, host, swarm } = await openPair(2, 4 << 20);
  await host.until(({ verifiedPieces }) => verifiedPieces > 0);
  // The first two are the seed's.
  await die(workers[made + 2]);
  await expect(swarm.completed).rejects.toThrow('thread has ended');
  expect(swarm.status()).toMatchObject({ state: 'failed' });
  await host.exchange[Symbol.asyncDispose]();
  await seed.exchange[Symbol.asyncDispose]();
  await expectNothingLeft(before);
});

const planeInit = (): DataPlaneInit => ({
  maxConnections: 10,
  firstAcceptedLink: -1,
  cacheBytes: 1 << 20,
  uploadRate: SharedRate.create(Infinity),
  downloadRate: SharedRate.create(Infinity),
  tls: undefined,
});

describe.each([
  ['LocalLane', LocalLane],
  ['ThreadLane', ThreadLane],
])('a %s', (_, Lane) => {
  /** A lane, and a way to wait for what it tells. */
  function openLane() {
    const events: DataEvent[] = [];
    const lane: DataLane = new Lane(
      {
        onEvent: (event) => events.push(event),
        onDeath: (error) => {
          throw error;
        },
      },
      planeInit(),
    );
    const next = async <Type extends DataEvent['type']>(type: Type) =>
      await vi.waitFor(() => {
        const event = events.find((one) => one.type === type);
        if (event === undefined)
          throw new Error(`no ${type} in ${events.map((one) => one.type).join(' ')}`);
        return event as Extract<DataEvent, { type: Type }>;
      }, 10_000);
    return { lane, events, next };
  }

  test('does nothing before its caller has returned, and tells of what it did', async () => {
    const { lane, events, next } = openLane();
    lane.post({ type: 'listen', transport: 'plain', host: '127.0.0.1', port: 0 });
    expect(events).toEqual([]);
    const { port } = await next('listening');
    const handshake = Buffer.alloc(68, 1);
    const at = { transport: 'plain', host: '127.0.0.1', port } as const;
    lane.post({ type: 'dial', link: 5, ...at, handshake, apps: [] });
    const accepted = await next('accepted');
    expect(accepted.link).toBe(-1);
    // It does not speak BitTorrent, so both ends are told that the connection is over.
    await vi.waitFor(() => {
      const closed = events.filter(({ type }) => type === 'closed');
      expect(closed.map((event) => 'link' in event && event.link).sort()).toEqual([-1, 5]);
    });
    await lane.end();
  });

  test('tells that a port can not be listened on, and that nobody is there to connect to', async () => {
    const { lane, next } = openLane();
    lane.post({ type: 'listen', transport: 'plain', host: '192.0.2.1', port: 1 });
    expect((await next('listenFailed')).message).toContain('EADDRNOTAVAIL');
    const at = { transport: 'plain', host: '127.0.0.1', port: 1 } as const;
    lane.post({ type: 'dial', link: 9, ...at, handshake: Buffer.alloc(68), apps: [] });
    expect(await next('closed')).toMatchObject({ link: 9, failure: { code: 'ECONNREFUSED' } });
    await lane.end();
  });

  test('takes commands for what is not there, or not any more', async () => {
    const { lane, next } = openLane();
    lane.post({ type: 'want', link: 1, pieces: [1] });
    lane.post({ type: 'send', link: 1, bytes: new Uint8Array(3) });
    lane.post({ type: 'drop', link: 1 });
    lane.post({ type: 'closeImage', image: 3 });
    lane.post({ type: 'retryWrites', image: 3 });
    lane.post({ type: 'listen', transport: 'plain', host: '127.0.0.1', port: 0 });
    await next('listening');
    await lane.end();
  });
});

test('what is asked of all threads is done when those that live have done it', async () => {
  const deaths: string[] = [];
  const made = workers.length;
  const lanes = new DataLanes(
    {
      onAccepted: () => undefined,
      onEvent: () => undefined,
      onDeath: (error) => deaths.push(error.message),
    },
    {
      threads: 2,
      maxConnections: 10,
      cacheBytes: 0,
      uploadBytesPerSecond: Infinity,
      downloadBytesPerSecond: Infinity,
      tls: undefined,
    },
  );
  await die(workers[made]);
  await vi.waitFor(() => {
    expect(deaths).toHaveLength(1);
  });
  const port = await lanes.listen({ transport: 'plain', host: '127.0.0.1', port: 0 });
  const links = [1, 2, 3].map(() => {
    const handshake = new Uint8Array(68);
    return lanes.dial({ host: '127.0.0.1', port }, { transport: 'plain', handshake, apps: [] });
  });
  expect(links.every(({ lane }) => lane === lanes.lanes[1])).toBe(true);
  const { layout } = flatImage({ files: { a: Buffer.from('a') }, pieceSizeBytes: 1 << 14 });
  const [uploadRate, downloadRate] = [SharedRate.create(1), SharedRate.create(1)];
  const open = { image: 4, layout, tree: '/nowhere', uploadRate, downloadRate };
  lanes.postAll({ type: 'openImage', ...open });
  await lanes.closeImage(4);
  await lanes.end();
});
