import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { AuditLog, listAudit, verifyAudit } from '../../../../tracker/audit/index.ts';
import type { Store } from '../../../../tracker/store/index.ts';
import { SqliteStore } from '../../../../tracker/store/sqlite-store.ts';
import { put } from '../../../tools/store-contract.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

const startMs = Date.UTC(2026, 0, 1);
const record = (subject: string) =>
  ({ actor: 'anna', action: 'member.revoke', subject, outcome: 'done' }) as const;

async function openStore(): Promise<SqliteStore> {
  const path = join(await temporaryDirectory(), 'store.db');
  const store = await SqliteStore.open({ path });
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}

function auditOf(store: Store, init = { burst: 2, refillMs: 1_000, summaryIntervalMs: 60_000 }) {
  const clock = { nowMs: startMs };
  return { clock, audit: new AuditLog({ store, now: () => clock.nowMs }, init) };
}

test('a change and its entry are one commit', async () => {
  const store = await openStore();
  const { audit } = auditOf(store);
  const revision = await audit.commit(put('members/x'), {
    ...record('x'),
    detail: { why: 'lost' },
  });
  expect((await store.get('members/x'))?.revision).toBe(revision);
  expect((await store.get('audit/0000000000000001'))?.revision).toBe(revision);
  expect(await listAudit(store)).toMatchObject([
    { ...record('x'), sequence: 1, at: '2026-01-01T00:00:00.000Z', detail: { why: 'lost' } },
  ]);
});

test('a change that is refused leaves no entry, and does not stop those that waited with it', async () => {
  const store = await openStore();
  const { audit } = auditOf(store);
  const results = await Promise.allSettled([
    audit.commit(put('a'), record('a')),
    audit.commit({ expect: [{ key: 'b', revision: 9 }], ...put('b') }, record('b')),
    audit.commit(put('c'), record('c')),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(results[1]).toMatchObject({
    reason: { code: 'STORE_CONFLICT', evidence: { keys: ['b'] } },
  });
  expect((await listAudit(store)).map(({ subject }) => subject)).toEqual(['a', 'c']);
  expect(await verifyAudit(store)).toMatchObject({ sequence: 2 });
});

test('changes of one key that wait together are done one after the other', async () => {
  const store = await openStore();
  const { audit } = auditOf(store);
  const create = () =>
    audit.commit({ expect: [{ key: 'a', revision: 0 }], ...put('a') }, record('a'));
  const results = await Promise.allSettled([create(), create(), create()]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
  const twice = [1, 2].map((value) => audit.commit(put('b', value), record('b')));
  await Promise.all(twice);
  expect((await store.get('b'))?.value).toBe('2');
  expect(await verifyAudit(store)).toMatchObject({ sequence: 3 });
});

const keyArbitrary = fc.constantFrom('a', 'b', 'c', 'd');
const changeArbitrary = fc.record({
  expected: fc.dictionary(keyArbitrary, fc.constantFrom('as at first', 'absent')),
  changed: fc.dictionary(keyArbitrary, fc.constantFrom('put', 'remove')),
});

test('changes that wait together come out as if they were made one after the other', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(changeArbitrary, { maxLength: 8 }), async (changes) => {
      const store = await openStore();
      const { audit } = auditOf(store);
      const first = await store.commit({ put: ['a', 'b'].map((key) => ({ key, value: '0' })) });
      const model = new Map([
        ['a', 'as at first'],
        ['b', 'as at first'],
      ]);
      const wanted: string[] = [];
      for (const { expected, changed } of changes) {
        const holds = Object.entries(expected).every(
          ([key, state]) => (model.get(key) ?? 'absent') === state,
        );
        wanted.push(holds ? 'fulfilled' : 'rejected');
        for (const [key, what] of holds ? Object.entries(changed) : []) {
          if (what === 'put') model.set(key, 'changed');
          else model.delete(key);
        }
      }
      const results = await Promise.allSettled(
        changes.map(({ expected, changed }, index) => {
          const keysOf = (kind: string) =>
            Object.keys(changed).filter((key) => changed[key] === kind);
          return audit.commit(
            {
              expect: Object.entries(expected).map(([key, state]) => ({
                key,
                revision: state === 'absent' ? 0 : first,
              })),
              put: keysOf('put').map((key) => ({ key, value: String(index) })),
              remove: keysOf('remove'),
            },
            record(String(index)),
          );
        }),
      );
      expect(results.map(({ status }) => status)).toEqual(wanted);
      const keys = (await store.list('')).entries.map(({ key }) => key);
      expect(keys.filter((key) => !key.startsWith('audit'))).toEqual([...model.keys()].sort());
      const made = wanted.flatMap((status, index) => (status === 'fulfilled' ? [`${index}`] : []));
      expect((await listAudit(store)).map(({ subject }) => subject)).toEqual(made);
      await verifyAudit(store);
      await store[Symbol.asyncDispose]();
    }),
    { numRuns: 20 },
  );
});

test('trackers that write at the same time leave one chain without gaps', async () => {
  const store = await openStore();
  const logs = [auditOf(store).audit, auditOf(store).audit, auditOf(store).audit];
  await Promise.all(
    logs.flatMap((audit, tracker) =>
      Array.from({ length: 20 }, (_, index) =>
        audit.commit(put(`t/${tracker}/${index}`), record(`${tracker}/${index}`)),
      ),
    ),
  );
  expect(await verifyAudit(store)).toMatchObject({ sequence: 60 });
  expect((await store.list('t/')).entries).toHaveLength(60);
});

test('when the entry can not be written the change is not made', async () => {
  const store = await openStore();
  const { audit } = auditOf(store);
  await store.commit(put('audit-head', { sequence: 'x' }));
  await expect(audit.commit(put('a'), record('a'))).rejects.toMatchObject({
    code: 'STORE_TAMPERED',
  });
  expect(await store.get('a')).toBeUndefined();
});

test('a flood of refusals leaves the first ones, and the number of the others', async () => {
  const store = await openStore();
  const { audit, clock } = auditOf(store);
  const flood = async (count: number) => {
    for (let index = 0; index < count; index++) {
      await audit.refuse({
        actor: `10.0.0.${index % 9}`,
        action: 'join',
        subject: 'x'.repeat(9_999),
      });
    }
  };
  await flood(500);
  clock.nowMs += 1_000;
  await flood(500);
  await audit[Symbol.asyncDispose]();
  const entries = await listAudit(store);
  expect(entries.map(({ action, detail }) => [action, detail?.count])).toEqual([
    ['join', undefined],
    ['join', undefined],
    ['join', undefined],
    ['refusals', 997],
  ]);
  expect(JSON.stringify(entries).length).toBeLessThan(4_000);
  await verifyAudit(store);
});

test('the number of refusals is written while the tracker runs', async () => {
  const store = await openStore();
  const { audit } = auditOf(store, { burst: 0, refillMs: 1e9, summaryIntervalMs: 5 });
  await audit.refuse({ actor: 'x', action: 'join', subject: 'y' });
  await audit.refuse({ actor: 'x', action: 'join', subject: 'y' });
  await expect.poll(() => listAudit(store)).toMatchObject([{ detail: { count: 2 } }]);
});

test('what can not be written of refusals is told later', async () => {
  const store = await openStore();
  const { audit } = auditOf(store);
  await store.commit(put('audit-head', 'broken'));
  await audit.refuse({ actor: 'x', action: 'join', subject: 'y' });
  await store.commit({ remove: ['audit-head'] });
  await audit[Symbol.asyncDispose]();
  expect(await listAudit(store)).toMatchObject([{ action: 'refusals', detail: { count: 1 } }]);
});
