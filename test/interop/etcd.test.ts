import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { removeTree } from '../../src/image/index.ts';
import { AuditLog, verifyAudit } from '../../tracker/audit/index.ts';
import { EtcdStore, type EtcdStoreInit } from '../../tracker/store/etcd-store.ts';
import { openStore, type Expectation, type Store } from '../../tracker/store/index.ts';
import {
  collect,
  countOf,
  put,
  readUntil,
  testSignal,
  testStoreContract,
} from '../tools/store-contract.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import { makeEtcdCertificates } from './etcd-certificates.ts';
import { EtcdCluster } from './etcd-cluster.ts';
import { describeWithProgram } from './installed.ts';

/** For what is not about durability. */
const quick = { flags: ['--unsafe-no-fsync'] };
const times = { attemptTimeoutMs: 300, probeIntervalMs: 100 };
const within = { timeout: 15_000 };
let stores = 0;

async function openAt(
  hosts: readonly string[],
  init: Partial<EtcdStoreInit> = {},
): Promise<EtcdStore> {
  const store = await EtcdStore.open({ prefix: `/test-${stores++}/`, ...times, ...init, hosts });
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}

/** The client as it comes, which sends again what had no answer. */
function plainClient(host: string): Etcd3 {
  const client = new Etcd3({ hosts: `http://${host}` });
  onTestFinished(() => {
    client.close();
  });
  return client;
}

/** Commits until it is known that it was done. @returns the revision at which it was */
async function commitSurely(store: Store, key: string): Promise<number> {
  for (;;) {
    try {
      return await store.commit({ expect: [{ key, revision: 0 }], ...put(key) });
    } catch (error) {
      const { code } = error as { code?: string };
      // Nobody else writes these keys, so it was an attempt whose outcome was not known.
      if (code === 'STORE_CONFLICT') return (await store.get(key))?.revision ?? -1;
      if (code !== 'STORE_READ_ONLY' && code !== 'STORE_FAILED') throw error;
      await expect.poll(() => store.isWritable, within).toBe(true);
    }
  }
}

describeWithProgram('etcd', 'a store on etcd', () => {
  let directory = '';
  let shared: EtcdCluster;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'starling-etcd-'));
    shared = await EtcdCluster.start(directory, 1, quick);
  });
  afterAll(async () => {
    await shared[Symbol.asyncDispose]();
    await removeTree(directory);
  });

  testStoreContract(() => openAt(shared.hosts), { propertyRuns: 8 });

  test('does a commit once whose answer was lost, and says at which revision', async () => {
    const proxy = await CuttingProxy.start(shared.hosts[0] ?? '');
    const store = await openAt([proxy.address], { probeIntervalMs: 60_000 });
    const { revision: start } = await store.list('');
    const revisions: number[] = [];
    for (let index = 0; index < 12; index++) {
      proxy.cuts = 1;
      const key = `k/${index}`;
      revisions.push(await store.commit({ expect: [{ key, revision: 0 }], ...put(key) }));
    }
    const batches = await readUntil(store, 'k/', start, (read) => countOf(read) >= 12);
    expect(batches.flat().map(({ revision }) => revision)).toEqual(revisions);
  });

  test('needs to: the client as it comes takes its own commits for those of others', async () => {
    const proxy = await CuttingProxy.start(shared.hosts[0] ?? '');
    const client = plainClient(proxy.address);
    await client.get('warm');
    const outcomes: boolean[] = [];
    for (let index = 0; index < 12; index++) {
      proxy.cuts = 1;
      const key = `/control-${stores}/${index}`;
      const { succeeded } = await client
        .if(key, 'Create', '==', 0)
        .then(client.put(key).value('1'))
        .commit();
      outcomes.push(succeeded);
    }
    expect(outcomes).toContain(false);
  });

  test('begins a watch anew when etcd has forgotten what it is from', async () => {
    const store = await openAt(shared.hosts);
    const first = await store.commit(put('w/1'));
    await store.commit({ remove: ['w/1'] });
    const last = await store.commit(put('w/2'));
    await plainClient(shared.hosts[0] ?? '').kv.compact({ revision: last });
    const [whole] = await readUntil(store, 'w/', first, () => true);
    expect(whole).toMatchObject({ isWhole: true, length: 1 });
  });

  test('tells changes that are too large for one answer of etcd', async () => {
    const store = await openAt(shared.hosts);
    const { revision } = await store.list('');
    const made: number[] = [];
    for (let index = 0; index < 8; index++) {
      made.push(await store.commit(put(`w/${index}`, 'x'.repeat(500_000))));
    }
    const batches = await readUntil(store, 'w/', revision, (read) => countOf(read) >= made.length);
    expect(batches.flat().map((change) => change.revision)).toEqual(made);
    expect(new Set(batches.flat().map(({ value }) => value?.length))).toEqual(new Set([500_002]));
    const [whole] = await readUntil(store, 'w/', undefined, () => true);
    expect(whole).toHaveLength(made.length);
  });

  test('lets another lead when a leader is cut off, and refuses what that one decided', async () => {
    const proxy = await CuttingProxy.start(shared.hosts[0] ?? '');
    const prefix = '/election/';
    const init = { prefix, leaseSeconds: 1, callTimeoutMs: 500 };
    const cutOff = await openAt([proxy.address], init);
    const other = await openAt(shared.hosts, init);
    const signal = testSignal();
    const fences: Expectation[] = [];
    const lost = Promise.withResolvers<void>();
    const first = cutOff.elect('rollouts', {
      signal,
      onElected: async (leading, fence) => {
        fences.push(fence);
        await new Promise((resolve) => {
          leading.addEventListener('abort', resolve);
        });
        lost.resolve();
      },
    });
    await expect.poll(() => fences.length, within).toBe(1);
    proxy.cuts = Infinity;
    await other.elect('rollouts', {
      signal,
      onElected: async (_leading, fence) => {
        await lost.promise;
        fences.push(fence);
        await other.commit({ expect: [fence], ...put('decision') });
        proxy.cuts = 0;
        await expect.poll(() => cutOff.isWritable, within).toBe(true);
        const late = cutOff.commit({ expect: fences.slice(0, 1), ...put('decision') });
        await expect(late).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
        // The control: without the fence it could.
        await cutOff.commit(put('decision'));
      },
    });
    expect(fences.length).toBeGreaterThan(1);
    await cutOff[Symbol.asyncDispose]();
    await first;
  });

  test('takes the audit entries of several trackers as one chain', async () => {
    const prefix = '/audit/';
    const trackers = [
      await openAt(shared.hosts, { prefix }),
      await openAt(shared.hosts, { prefix }),
    ];
    const logs = trackers.map((store) => new AuditLog({ store, now: () => 0 }));
    const entry = (subject: string) =>
      ({ actor: 'anna', action: 'a', subject, outcome: 'done' }) as const;
    await Promise.all(
      logs.flatMap((log, tracker) =>
        Array.from({ length: 15 }, (_, index) =>
          log.commit(put(`t/${tracker}/${index}`), entry(`${tracker}/${index}`)),
        ),
      ),
    );
    for (const store of trackers) expect(await verifyAudit(store)).toMatchObject({ sequence: 30 });
  });
});

describeWithProgram('etcd', 'a store on etcd that fails', () => {
  test('loses and doubles nothing when the leader is killed in the middle of commits', async () => {
    const cluster = await EtcdCluster.forTest(3);
    const prefix = '/killed/';
    const trackers = await Promise.all(
      [0, 1, 2].map((first) =>
        openAt([...cluster.hosts.slice(first), ...cluster.hosts.slice(0, first)], { prefix }),
      ),
    );
    const watching = trackers[0] as Store;
    const { revision } = await watching.list('');
    const { batches } = collect(watching, 'log/', { fromRevision: revision, signal: testSignal() });
    const told = new Map<string, number>();
    const write = async (store: Store, tracker: number) => {
      for (let index = 0; index < 40; index++) {
        const key = `log/${tracker}/${index}`;
        told.set(key, await commitSurely(store, key));
      }
    };
    const writing = Promise.all(trackers.map((store, tracker) => write(store, tracker)));
    await expect.poll(() => told.size, within).toBeGreaterThan(20);
    await (await cluster.leader()).kill();
    await writing;
    const { entries } = await watching.list('log/');
    expect(new Map(entries.map((entry) => [entry.key, entry.revision]))).toEqual(told);
    await expect.poll(() => countOf(batches), within).toBe(told.size);
    const order = [...told].sort(([, a], [, b]) => a - b);
    expect(batches.flat().map((change) => [change.key, change.revision])).toEqual(order);
    expect(batches.some(({ isWhole }) => isWhole)).toBe(false);
  });

  test('takes no changes without a majority, says so, and goes on by itself', async () => {
    const cluster = await EtcdCluster.forTest(3);
    const store = await openAt(cluster.hosts, { callTimeoutMs: 600 });
    const states: boolean[] = [];
    store.onStateChange(({ isWritable }) => states.push(isWritable));
    const { revision } = await store.list('');
    const { batches } = collect(store, 'a', { fromRevision: revision, signal: testSignal() });
    await store.commit(put('a1'));
    const [one, two] = cluster.members;
    await Promise.all([one?.kill(), two?.kill()]);
    await expect.poll(() => store.isWritable, within).toBe(false);
    expect(store.state).toMatchObject({
      reason: expect.stringContaining('etcd does not answer') as string,
    });
    await expect(store.commit(put('a2'))).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
    await expect(store.get('a1')).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await one?.start();
    await expect.poll(() => store.isWritable, within).toBe(true);
    await store.commit(put('a3'));
    await expect.poll(() => batches.flat().map(({ key }) => key), within).toEqual(['a1', 'a3']);
    expect(states).toEqual([false, true]);
  });

  test('leaves a member that stands still, with its watches', async () => {
    const cluster = await EtcdCluster.forTest(3, quick);
    const prefix = '/frozen/';
    const store = await openAt(cluster.hosts, { prefix });
    const other = await openAt(cluster.hosts.slice(1), { prefix });
    const { revision } = await store.list('');
    const { batches } = collect(store, 'a', { fromRevision: revision, signal: testSignal() });
    await commitSurely(store, 'a1');
    await expect.poll(() => countOf(batches), within).toBe(1);
    cluster.members[0]?.freeze();
    await commitSurely(other, 'a2');
    await expect.poll(() => batches.flat().map(({ key }) => key), within).toEqual(['a1', 'a2']);
  });

  test('is open before etcd is there', async () => {
    const cluster = await EtcdCluster.forTest(1, quick);
    const [member] = cluster.members;
    await member?.kill();
    const store = await openAt(cluster.hosts, { callTimeoutMs: 300 });
    expect(store.isWritable).toBe(false);
    await member?.start();
    await expect.poll(() => store.isWritable, within).toBe(true);
    await store.commit(put('a'));
  });

  test('shows a certificate where etcd asks for one', async () => {
    const { ca, cert, key } = await makeEtcdCertificates(await temporaryDirectory());
    const flags = [
      ...quick.flags,
      ...['--cert-file', cert, '--key-file', key],
      ...['--trusted-ca-file', ca, '--client-cert-auth'],
    ];
    const cluster = await EtcdCluster.forTest(1, { flags, hasTls: true });
    const query = `ca=${ca}&cert=${cert}&key=${key}`;
    await using store = await openStore(`etcds://${cluster.hosts[0]}/tls?${query}`);
    await expect.poll(() => store.isWritable, within).toBe(true);
    await store.commit(put('a'));
    const credentials = { rootCertificate: await readFile(ca) };
    const stranger = await openAt(cluster.hosts, { credentials, callTimeoutMs: 200 });
    expect(stranger.isWritable).toBe(false);
  });

  test('takes no changes while etcd is out of space', async () => {
    const flags = [...quick.flags, '--quota-backend-bytes', '2000000'];
    const cluster = await EtcdCluster.forTest(1, { flags });
    const store = await openAt(cluster.hosts);
    const fill = async (): Promise<never> => {
      for (let index = 0; ; index++) await store.commit(put('filler', `${index}`.repeat(200_000)));
    };
    await expect(fill()).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
    expect(store.state).toMatchObject({
      reason: expect.stringContaining('out of space') as string,
    });
    const revision = (await store.get('filler'))?.revision ?? 0;
    const ask = (path: string, body: object) =>
      fetch(`http://${cluster.hosts[0]}/v3/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
      });
    await ask('kv/compaction', { revision, physical: true });
    await ask('maintenance/defragment', {});
    const status = (await (await ask('maintenance/status', {})).json()) as {
      header: { member_id: string };
    };
    const memberID = status.header.member_id;
    await ask('maintenance/alarm', { action: 'DEACTIVATE', alarm: 'NOSPACE', memberID });
    await expect.poll(() => store.isWritable, within).toBe(true);
    await store.commit(put('a'));
  });
});
