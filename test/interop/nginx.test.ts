import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { StoredImage } from '../../src/image/index.ts';
import type { ExchangeInit } from '../../src/swarm/index.ts';
import { createKeys } from '../../src/trust/index.ts';
import { startTracker, type Tracker, type TrackerConfig } from '../../tracker/index.ts';
import { bakeSketch } from '../tools/baked-image.ts';
import { eventually } from '../tools/eventually.ts';
import { openExchange } from '../tools/running-exchange.ts';
import { seededBytes } from '../tools/seeded-random.ts';
import { describeTree, type TreeSketch } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { inTime } from './in-time.ts';
import { describeWithNginx, NginxServer } from './nginx-server.ts';

const sketch: TreeSketch = {
  'bin/app': { executable: seededBytes(1, 2_000_000) },
  'data/large': seededBytes(2, 40_000_000),
  'data/a #?%:&+ name': 'odd',
  'имя/名前': 'not ASCII',
};
const hostCount = 8;

async function openOrigin(rate?: string): Promise<{ image: StoredImage; nginx: NginxServer }> {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, sketch);
  const root = join(directory, 'store');
  return { image, nginx: await NginxServer.open(join(directory, 'nginx'), { root, rate }) };
}

async function runTracker(init: Partial<TrackerConfig> = {}): Promise<Tracker> {
  const { rootPath } = await createKeys(await temporaryDirectory(), { now: new Date() });
  const directory = await temporaryDirectory();
  const tracker = await startTracker({ port: 0, directory, rootPath, logLevel: 'silent', ...init });
  onTestFinished(() => tracker[Symbol.asyncDispose]());
  return tracker;
}

async function openFetcher(image: StoredImage, init: Partial<ExchangeInit>) {
  const host = await openExchange(await temporaryDirectory(), init);
  return { ...host, swarm: host.exchange.fetch(image.imageId) };
}

const openFetchers = (image: StoredImage, init: Partial<ExchangeInit>) =>
  Promise.all(Array.from({ length: hostCount }, () => openFetcher(image, init)));

type Fetchers = Awaited<ReturnType<typeof openFetchers>>;

const allDone = (hosts: Fetchers) =>
  inTime(Promise.all(hosts.map(({ swarm }) => swarm.completed)), () =>
    hosts.map(({ swarm }) => swarm.status()),
  );

const sizeOf = (image: StoredImage): number => image.metainfo.info.sizeBytes;

describeWithNginx('nginx as a web seed', () => {
  test('an image is fetched from nginx alone', async () => {
    const { image, nginx } = await openOrigin();
    const host = await openFetcher(image, { webSeeds: [nginx.template] });
    const [stored] = await allDone([host]);
    expect(await describeTree(stored?.tree ?? '')).toEqual(await describeTree(image.tree));
    expect(await nginx.contentBytes()).toBe(sizeOf(image));
    const statuses = new Set((await nginx.log()).map(({ status }) => status));
    expect(statuses).toEqual(new Set([200, 206]));
  });

  test('eight hosts with nginx as their only seed take no more than the budget from it', async () => {
    const { image, nginx } = await openOrigin('4m');
    const { url } = await runTracker();
    const init = { webSeeds: [nginx.template], trackers: [url] };
    const hosts = await openFetchers(image, init);
    const startMs = performance.now();
    await allDone(hosts);
    const copies = (await nginx.contentBytes()) / sizeOf(image);
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    expect(copies).toBeGreaterThanOrEqual(1);
    expect(copies).toBeLessThanOrEqual(1.5);
    const askers = hosts.filter(({ swarm }) =>
      swarm.status().sources.some(({ peer }) => peer.startsWith('http:')),
    );
    const told = `nginx served ${copies.toFixed(3)} copies to ${askers.length} of 8 hosts in ${seconds} s`;
    process.stdout.write(`${told}\n`);
    expect(askers.length).toBeLessThanOrEqual(3);
  });

  test('when nginx dies after one copy, all hosts finish', async () => {
    const { image, nginx } = await openOrigin('4m');
    const { url } = await runTracker();
    const hosts = await openFetchers(image, { webSeeds: [nginx.template], trackers: [url] });
    await eventually('one copy was served', async () =>
      (await nginx.contentBytes()) >= sizeOf(image) ? true : undefined,
    );
    await nginx.kill();
    await allDone(hosts);
  });

  test('when the tracker dies, no host turns to nginx once the leases are over', async () => {
    const { image, nginx } = await openOrigin('256k');
    const tracker = await runTracker({ originLeaseMs: 4_000 });
    const hosts = await openFetchers(image, {
      webSeeds: [nginx.template],
      trackers: [tracker.url],
      originBudget: { copies: 1 },
    });
    await eventually('nginx is asked', async () =>
      (await nginx.contentBytes()) > 0 ? true : undefined,
    );
    await tracker[Symbol.asyncDispose]();
    const settled = async (): Promise<number> => {
      const before = await nginx.contentBytes();
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      const after = await nginx.contentBytes();
      return before === after ? after : await settled();
    };
    const served = await settled();
    expect(served).toBeLessThan(sizeOf(image));
    expect(hosts.every(({ swarm }) => !swarm.isWhole)).toBe(true);
  });
});
