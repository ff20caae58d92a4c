import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { AuditLog, readHead, verifyAudit } from '../../../../tracker/audit/index.ts';
import { auditKey, nextEntry, parseEntry } from '../../../../tracker/audit/audit-entry.ts';
import { storeUrlIn, type Store, type Transaction } from '../../../../tracker/store/index.ts';
import { openStore } from '../../../../tracker/store/index.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

const length = 5;

async function writtenLog(): Promise<{ readonly store: Store; readonly directory: string }> {
  const directory = await temporaryDirectory();
  const store = await openStore(storeUrlIn(directory));
  onTestFinished(() => store[Symbol.asyncDispose]());
  await using audit = new AuditLog({ store, now: () => 0 });
  for (let index = 1; index <= length; index++) {
    await audit.commit({}, { actor: 'anna', action: 'a', subject: `s${index}`, outcome: 'done' });
  }
  return { store, directory };
}

const valueOf = async (store: Store, key: string): Promise<string> => {
  const entry = await store.get(key);
  if (entry === undefined) throw new Error(`there is no ${key}`);
  return entry.value;
};

async function expectFound(store: Store, sequence: number): Promise<void> {
  await expect(verifyAudit(store)).rejects.toMatchObject({
    code: 'STORE_TAMPERED',
    evidence: { sequence },
  });
}

/** Entry `from` and all after it, written anew so that the chain is right in itself. */
async function forge(store: Store, from: number): Promise<Transaction> {
  const before = from === 1 ? undefined : parseEntry(await valueOf(store, auditKey(from - 1)));
  let head = before;
  const put: { key: string; value: string }[] = [];
  for (let sequence = from; sequence <= length; sequence++) {
    head = nextEntry(
      head,
      { actor: 'nobody', action: 'a', subject: 'nothing', outcome: 'done' },
      new Date(0),
    );
    put.push({ key: auditKey(sequence), value: JSON.stringify(head) });
  }
  return { put };
}

test('a log that nobody touched is whole, and so is an empty one', async () => {
  const { store } = await writtenLog();
  const head = await readHead(store);
  expect(head?.sequence).toBe(length);
  expect(await verifyAudit(store, { anchor: head })).toEqual(head);
});

test('an entry that was removed is found, also the last one', async () => {
  for (const sequence of [1, 3, length]) {
    const { store } = await writtenLog();
    await store.commit({ remove: [auditKey(sequence)] });
    await expectFound(store, sequence);
  }
});

test('any change of any value of any entry is found at that entry', async () => {
  const { store } = await writtenLog();
  const field = fc.constantFrom('actor', 'action', 'subject', 'outcome', 'at', 'previous', 'hash');
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: length }), field, async (sequence, name) => {
      const key = auditKey(sequence);
      const value = await valueOf(store, key);
      const entry = JSON.parse(value) as Record<string, string>;
      const text = entry[name] ?? '';
      const changed = name === 'outcome' ? 'refused' : text.replace(/[0-9a-y]/, flip);
      await store.commit({ put: [{ key, value: JSON.stringify({ ...entry, [name]: changed }) }] });
      await expectFound(store, sequence);
      await store.commit({ put: [{ key, value }] });
    }),
    { numRuns: 30 },
  );
  expect(await verifyAudit(store)).toMatchObject({ sequence: length });
});

const flip = (character: string): string =>
  String.fromCharCode(character.charCodeAt(0) + (character === '9' || character === 'f' ? -1 : 1));

test('entries that changed places are found', async () => {
  const { store } = await writtenLog();
  const [second, third] = [await valueOf(store, auditKey(2)), await valueOf(store, auditKey(3))];
  await store.commit({
    put: [
      { key: auditKey(2), value: third },
      { key: auditKey(3), value: second },
    ],
  });
  await expectFound(store, 2);
});

test('entries that were written anew are found by the head, and with the head by an anchor', async () => {
  const { store } = await writtenLog();
  const anchor = await readHead(store);
  await store.commit(await forge(store, 4));
  await expectFound(store, length);
  const last = parseEntry(await valueOf(store, auditKey(length)));
  const value = JSON.stringify({ sequence: last?.sequence, hash: last?.hash });
  await store.commit({ put: [{ key: 'audit-head', value }] });
  expect(await verifyAudit(store)).toMatchObject({ sequence: length });
  await expect(verifyAudit(store, { anchor })).rejects.toMatchObject({ code: 'STORE_TAMPERED' });
});

test('an entry that was added, without or with gaps, is found', async () => {
  const { store } = await writtenLog();
  const last = parseEntry(await valueOf(store, auditKey(length)));
  const added = nextEntry(
    last,
    { actor: 'nobody', action: 'a', subject: 'nothing', outcome: 'done' },
    new Date(0),
  );
  await store.commit({ put: [{ key: auditKey(length + 1), value: JSON.stringify(added) }] });
  await expectFound(store, length + 1);
  await store.commit({ remove: [auditKey(length + 1)], put: [{ key: 'audit/x', value: '{}' }] });
  await expect(verifyAudit(store)).rejects.toMatchObject({ code: 'STORE_TAMPERED' });
});

test('a log without its head, or a head without its log, is found', async () => {
  const { store } = await writtenLog();
  const head = await valueOf(store, 'audit-head');
  await store.commit({ remove: ['audit-head'] });
  await expectFound(store, length);
  const keys = Array.from({ length }, (_, index) => auditKey(index + 1));
  await store.commit({ remove: keys, put: [{ key: 'audit-head', value: head }] });
  await expectFound(store, length);
});

const run = promisify(execFile);
const tracker = (...args: readonly string[]) =>
  run(process.execPath, [join(import.meta.dirname, '../../../../tracker/bin.js'), ...args]);

test('the command line lists and verifies beside a tracker that runs', async () => {
  const { store, directory } = await writtenLog();
  const list = await tracker('audit', 'list', '--dir', directory, '--limit', '2', '--json');
  const { entries } = JSON.parse(list.stdout) as { entries: { sequence: number }[] };
  expect(entries.map(({ sequence }) => sequence)).toEqual([length - 1, length]);
  const verified = await tracker('audit', 'verify', '--store', storeUrlIn(directory));
  expect(verified.stdout).toContain(`${length} entries, none changed`);
  await store.commit({ remove: [auditKey(2)] });
  await expect(tracker('audit', 'verify', '--dir', directory)).rejects.toMatchObject({
    code: 3,
    stderr: expect.stringContaining('entry 2 is missing') as string,
  });
});
