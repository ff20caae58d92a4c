import { join } from 'node:path';
import { Agent } from 'node:https';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { PeerError } from '../../../src/errors.ts';
import type { StoredImage } from '../../../src/image/index.ts';
import type { ExchangeInit } from '../../../src/swarm/index.ts';
import { WebRequest } from '../../../src/swarm/data/web-request.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { describeTree, type TreeSketch } from '../../tools/tree-sketch.ts';
import { WebServer, type WebLie } from '../../tools/web-server.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';
import { listening, newHost } from '../trust/tls-pair.ts';

const sketch: TreeSketch = {
  'bin/app': { executable: seededBytes(1, 300_000) },
  'data/large': seededBytes(2, 6_000_000),
  'data/empty': '',
  'data/one byte': 'x',
  'data/a #?%:&+ name': 'odd',
  'имя/名前': 'not ASCII',
};

async function openOrigin(lie?: (path: string) => WebLie | undefined) {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, sketch);
  return { image, server: await WebServer.open(join(directory, 'store'), { lie }) };
}

async function openFetcher(image: StoredImage, init: Partial<ExchangeInit>) {
  const directory = await temporaryDirectory();
  const warnings: string[] = [];
  const host = await openExchange(directory, {
    ...init,
    onWarning: (message, error) => {
      warnings.push(`${message} (${error instanceof Error ? error.message : String(error)})`);
    },
  });
  return { ...host, warnings, swarm: host.exchange.fetch(image.imageId) };
}

const sizeOf = (image: StoredImage): number => image.metainfo.info.sizeBytes;

test.each([0, 1])('an image is fetched from a web seed alone (threads: %i)', async (threads) => {
  const { image, server } = await openOrigin();
  const { swarm } = await openFetcher(image, { webSeeds: [server.template], threads });
  const stored = await swarm.completed;
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
  const peer = server.template.replace('{id}', image.imageId);
  const { sources, peers } = swarm.status();
  expect(sources).toEqual([{ peer, receivedBytes: sizeOf(image) }]);
  expect(peers).toBe(0);
  const content = server.requests.filter(({ path }) => !path.endsWith('.torrent'));
  // The many pieces of large files come in few requests, small files whole.
  expect(content.length).toBeLessThan(16);
  expect(content.filter(({ range }) => range === undefined)).toHaveLength(4);
});

test('a web seed that serves wrong bytes is banned for the whole life of the swarm', async () => {
  let lie: WebLie | undefined = 'wrongBytes';
  const { image, server } = await openOrigin(() => lie);
  const good = await openOrigin();
  const host = await openFetcher(image, { webSeeds: [server.template] });
  await vi.waitFor(() => expect(host.warnings.join()).toMatch(/not asked again/), 10_000);
  lie = undefined;
  const asked = server.requests.length;
  host.advance(300_000);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(server.requests.length).toBe(asked);
  expect(host.swarm.status().verifiedBytes).toBe(0);
  expect(good.image.imageId).toBe(image.imageId);
});

test('what a web seed that lies does not give comes from another', async () => {
  const bad = await openOrigin((path) => (path.endsWith('large') ? 'wrongBytes' : undefined));
  const good = await openOrigin();
  const webSeeds = [bad.server.template, good.server.template];
  const { swarm } = await openFetcher(bad.image, { webSeeds });
  const stored = await swarm.completed;
  expect(await describeTree(stored.tree)).toEqual(await describeTree(bad.image.tree));
});

const failures: [WebLie, RegExp][] = [
  ['shortBody', /broke off|shorter/],
  ['wholeFiles', /answered with 200/],
  ['otherRange', /another range/],
  ['endless', /longer/],
  ['encoded', /encoded \(gzip\)/],
  ['missing', /status 404/],
  ['unavailable', /status 503/],
  ['redirect', /status 302/],
];

test.each(failures)(
  'after "%s" a web seed is left alone, and tried again later',
  async (lie, why) => {
    let lies = true;
    const large = (path: string) => (lies && path.endsWith('large') ? lie : undefined);
    const { image, server } = await openOrigin(large);
    const host = await openFetcher(image, { webSeeds: [server.template] });
    await vi.waitFor(() => expect(host.warnings.join('\n')).toMatch(why), 10_000);
    expect(host.warnings[0]).toMatch(/tried again in 2 s/);
    // What a server pours out is not read to its end.
    expect(server.sentBytes).toBeLessThan(40_000_000);
    lies = false;
    host.advance(10_000);
    const stored = await host.swarm.completed;
    expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
  },
);

test('a web seed that sends nothing more is given up', async () => {
  let stalls = 0;
  const { image, server } = await openOrigin((path) => {
    if (!path.endsWith('large') || stalls > 0) return undefined;
    stalls += 1;
    return 'stalls';
  });
  const host = await openFetcher(image, { webSeeds: [server.template] });
  await vi.waitFor(() => expect(stalls).toBe(1), 10_000);
  // By steps: bytes that are still on their way begin its patience anew.
  await vi.waitFor(() => {
    host.advance(5_000);
    expect(host.warnings.join()).toMatch(/tried again.*(answers no requests|nothing comes)/);
  }, 10_000);
  host.advance(10_000);
  await host.swarm.completed;
});

test('a limit of the download holds for web seeds', async () => {
  const { image, server } = await openOrigin();
  const startMs = performance.now();
  const rate = { downloadBytesPerSecond: 3_000_000 };
  const { swarm } = await openFetcher(image, { webSeeds: [server.template], ...rate });
  await swarm.completed;
  expect(performance.now() - startMs).toBeGreaterThan(1_500);
});

test('the origin is left alone while a seed is connected', async () => {
  const { image, server } = await openOrigin();
  const directory = await temporaryDirectory();
  const seed = await openExchange(directory);
  seed.exchange.seed(await bakeSketch(directory, sketch));
  const host = await openFetcher(image, { webSeeds: [server.template] });
  host.exchange.addEndpoint(image.imageId, seed.endpoint);
  await host.swarm.completed;
  expect(server.requests).toEqual([]);
});

test('a seed that is slower than the web seed was is helped by it', async () => {
  const { image, server } = await openOrigin();
  const host = await openFetcher(image, {
    webSeeds: [server.template],
    downloadBytesPerSecond: 1_500_000,
  });
  await host.until(({ receivedBytes }) => receivedBytes > 2_500_000);
  const directory = await temporaryDirectory();
  const seed = await openExchange(directory, { uploadBytesPerSecond: 50_000 });
  seed.exchange.seed(await bakeSketch(directory, sketch));
  host.exchange.addEndpoint(image.imageId, seed.endpoint);
  await host.swarm.completed;
  const bySeed = host.swarm.status().sources.find(({ peer }) => !peer.startsWith('http'));
  expect(bySeed?.receivedBytes ?? 0).toBeLessThan(1_000_000);
});

test('a web seed whose certificate nobody vouches for is not asked', async () => {
  const { options } = await newHost();
  const { port } = await listening({ key: options.key, cert: options.cert }, () => undefined);
  const agent = new Agent();
  onTestFinished(() => {
    agent.destroy();
  });
  const range = { offsetBytes: 0, lengthBytes: 1, fileBytes: 1 };
  const url = new URL(`https://127.0.0.1:${port}/file`);
  const failure = await new Promise<PeerError>((resolve, reject) => {
    new WebRequest(
      { agent, now: () => 0 },
      { url, ...range },
      {
        onBytes: reject,
        onDone: reject,
        onFailed: resolve,
      },
    );
  });
  expect(failure.message).toMatch(/self-signed/);
});

test('what no peer has comes from the origin, and nothing else', async () => {
  const { image, server } = await openOrigin((path) =>
    path.endsWith('large') ? 'missing' : undefined,
  );
  const first = await openFetcher(image, { webSeeds: [server.template] });
  await vi.waitFor(() => expect(first.swarm.status().verifiedBytes).toBeGreaterThan(0), 10_000);
  await vi.waitFor(() => expect(first.warnings.join()).toMatch(/404/), 10_000);
  const before = first.swarm.status().verifiedPieces;
  const origin = await openOrigin();
  const second = await openFetcher(image, { webSeeds: [origin.server.template] });
  second.exchange.addEndpoint(image.imageId, first.endpoint);
  await second.swarm.completed;
  expect(before).toBeGreaterThan(0);
  const peer = second.swarm.status().sources.find((source) => source.peer.startsWith('127'));
  expect(peer?.receivedBytes).toBeGreaterThan(0);
  expect(origin.server.sentBytes).toBeLessThan(sizeOf(image) + 4_096);
});

test('without leave of the tracker, alive or not, the origin is not asked', async () => {
  const { image, server } = await openOrigin();
  const trackers = ['http://127.0.0.1:9/'];
  const host = await openFetcher(image, {
    webSeeds: [server.template],
    trackers,
    originBudget: { copies: 2 },
  });
  host.advance(60_000);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(server.requests).toEqual([]);
});
