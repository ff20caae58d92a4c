import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { FleetClient, TrackerClient } from '../../src/api/index.ts';
import { openFleetLink } from '../../src/control/index.ts';
import { Identity } from '../../src/trust/sealed.ts';
import { eventually } from '../tools/eventually.ts';
import {
  createPublisher,
  runTracker,
  temporaryDirectory,
} from '../unit/tracker/running-tracker.ts';
import { EtcdCluster } from './etcd-cluster.ts';

const grant = { roles: ['host' as const], apps: ['web'], labels: {} };
const newPeer = () => Identity.generate().peerId;

/** Trackers of one fleet on a real etcd cluster of three, which are started one by one. */
async function prepareTrackers() {
  const cluster = await EtcdCluster.forTest(3);
  const publisher = await createPublisher();
  const [first, second] = [await temporaryDirectory(), await temporaryDirectory()];
  await Identity.open(join(first, 'fleet.key'));
  await copyFile(join(first, 'fleet.key'), join(second, 'fleet.key'));
  const store = `etcd://${cluster.hosts.join(',')}`;
  const control = { host: '127.0.0.1', port: 0, credentialMs: 60_000 };
  const open = async (directory: string) => {
    const { rootPath } = publisher;
    const { tracker, token } = await runTracker({
      directory,
      rootPath,
      store,
      control,
      udp: false,
    });
    const client = new TrackerClient({}, { url: tracker.url, token });
    return { tracker, client, fleet: new FleetClient({ tracker: client }) };
  };
  return {
    ...{ cluster, publisher },
    startOne: () => open(first),
    startOther: () => open(second),
  };
}

async function runTwoTrackers() {
  const { cluster, publisher, startOne, startOther } = await prepareTrackers();
  return { cluster, publisher, one: await startOne(), other: await startOther() };
}

test('trackers on one etcd share members, settings and releases, also when its leader is killed', async () => {
  const { cluster, publisher, one, other } = await runTwoTrackers();
  const peerId = newPeer();
  await one.fleet.approve(peerId, grant);
  expect((await other.fleet.members()).members).toMatchObject([{ peerId, state: 'member' }]);
  await other.fleet.setSetting({ app: 'web', name: 'DB' }, 'a:1');
  expect(await one.fleet.settings('web')).toEqual({ revision: 1, values: { DB: 'a:1' } });

  const set = publisher.release('first');
  await one.client.pushRelease(set);
  const served = async () => {
    const { releases } = await other.client.releases();
    return releases.length > 0 ? releases : undefined;
  };
  await eventually('the other tracker serves the release', served);
  const ofOther = await other.client.metadata('timestamp.json', 16_384);
  expect(Buffer.from(ofOther ?? []).toString()).toBe(set.timestamp);

  await (await cluster.leader()).kill();
  await eventually('changes are taken again', () =>
    other.fleet.setSetting({ app: 'web', name: 'DB' }, 'b:1').catch(() => undefined),
  );
  const { values } = await one.fleet.settings('web');
  expect(values).toEqual({ DB: 'b:1' });
  const next = publisher.release('second', set);
  await eventually('releases are taken again', () =>
    other.client.pushRelease(next).catch(() => undefined),
  );
  await eventually('the first tracker serves what was pushed to the other', async () => {
    const text = Buffer.from(
      (await one.client.metadata('timestamp.json', 16_384)) ?? [],
    ).toString();
    return text === next.timestamp ? true : undefined;
  });
});

test('of two pushes to two trackers on the same release one is taken, and both serve that', async () => {
  const { publisher, one, other } = await runTwoTrackers();
  const pushes = [
    one.client.pushRelease(publisher.release('first')),
    other.client.pushRelease(publisher.release('second')),
  ];
  const settled = await Promise.allSettled(pushes);
  expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const timestamps = await eventually('both serve the same', async () => {
    const texts = await Promise.all(
      [one, other].map(({ client }) => client.metadata('timestamp.json', 16_384)),
    );
    const [first, second] = texts.map((text) => Buffer.from(text ?? []).toString());
    return first !== '' && first === second ? [first, second] : undefined;
  });
  expect(timestamps[0]).not.toBe('');
});

test('a host that joined before a tracker was added goes to that one when its own is gone', async () => {
  const { startOne, startOther } = await prepareTrackers();
  const one = await startOne();
  const directory = await temporaryDirectory();
  const { token } = await one.fleet.createToken({ ...grant, ttlMs: 60_000 });
  const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const opened = await openFleetLink(
    { log, random: Math.random },
    {
      ...{ directory, identityPath: join(directory, 'identity.key'), join: token },
      ...{ host: '127.0.0.1', controlPort: 0, zone: '', rack: '', version: '1' },
    },
    { signal: new AbortController().signal },
  );
  if (opened === undefined) throw new Error('a host with a token belongs to a fleet');
  onTestFinished(() => opened[Symbol.asyncDispose]());
  opened.link.follow({
    follows: [],
    settingsRevisions: () => ({}),
    onSettings: vi.fn(),
    onPermits: vi.fn(),
    onPreheat: vi.fn(),
    onNews: vi.fn(),
    onConnected: vi.fn(),
  });
  const isAt = async (tracker: typeof one) => {
    const { members } = await tracker.fleet.members();
    return members.some(({ connected }) => connected) ? true : undefined;
  };
  await eventually('the host has a session', () => isAt(one));
  const other = await startOther();
  const [added = ''] = other.tracker.fleet?.addresses ?? [];
  await eventually('the host knows the other tracker', async () => {
    const kept = await readFile(join(directory, 'membership.json'), 'utf8');
    return kept.includes(added) ? true : undefined;
  });
  await one.tracker[Symbol.asyncDispose]();
  await eventually('the host has a session with the other tracker', () => isAt(other));
});
