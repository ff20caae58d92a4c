import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { ChangeBatch, Entry, Store, Transaction } from '../../tracker/store/index.ts';

/** Opens an empty store, which is closed when the test ends. */
export type OpenEmptyStore = () => Promise<Store>;

/** What a store promises, wherever it keeps its entries: registers the tests of it. */
export function testStoreContract(
  open: OpenEmptyStore,
  init: { readonly propertyRuns: number },
): void {
  testCommits(open);
  testLists(open);
  testWatches(open);
  testElections(open);
  testAgainstModel(open, init);
}

export const put = (key: string, value: unknown = {}): Transaction => ({
  put: [{ key, value: JSON.stringify(value) }],
});

/** Collects what a watch tells until the signal aborts. */
export function collect(
  store: Store,
  prefix: string,
  options: { readonly fromRevision?: number; readonly signal: AbortSignal },
): { readonly batches: ChangeBatch[]; readonly ended: Promise<void> } {
  const batches: ChangeBatch[] = [];
  const read = async () => {
    for await (const batch of store.watch(prefix, options)) batches.push(batch);
  };
  return { batches, ended: read() };
}

/** A signal that aborts when the test ends. */
export function testSignal(): AbortSignal {
  const controller = new AbortController();
  onTestFinished(() => {
    controller.abort();
  });
  return controller.signal;
}

/** Reads a watch until `isEnough` says so of all changes that it told. */
export async function readUntil(
  store: Store,
  prefix: string,
  fromRevision: number | undefined,
  isEnough: (batches: readonly ChangeBatch[]) => boolean,
): Promise<ChangeBatch[]> {
  const batches: ChangeBatch[] = [];
  for await (const batch of store.watch(prefix, { fromRevision, signal: testSignal() })) {
    batches.push(batch);
    if (isEnough(batches)) return batches;
  }
  throw new Error('the watch has ended');
}

export const countOf = (batches: readonly ChangeBatch[]): number => batches.flat().length;

function testCommits(open: OpenEmptyStore): void {
  test('what was committed is read, with the revision of its commit', async () => {
    const store = await open();
    const first = await store.commit(put('members/a', { name: 'ä' }));
    const second = await store.commit(put('members/b'));
    expect(second).toBeGreaterThan(first);
    expect(await store.get('members/a')).toEqual({
      key: 'members/a',
      value: '{"name":"ä"}',
      revision: first,
    });
    expect(await store.get('members/c')).toBeUndefined();
  });

  test('a commit does nothing when one expectation does not hold, and says which', async () => {
    const store = await open();
    const revision = await store.commit(put('a', 1));
    const attempt = store.commit({
      expect: [
        { key: 'a', revision },
        { key: 'b', revision },
        { key: 'c', revision: 0 },
      ],
      put: [{ key: 'd', value: '1' }],
      remove: ['a'],
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
      evidence: { keys: ['b'] },
    });
    expect((await store.list('')).entries).toEqual([{ key: 'a', value: '1', revision }]);
  });

  test('all of a commit has one revision, and what it expects is replaced', async () => {
    const store = await open();
    const before = await store.commit(put('a', 1));
    const revision = await store.commit({
      expect: [
        { key: 'a', revision: before },
        { key: 'b', revision: 0 },
      ],
      put: [
        { key: 'a', value: '2' },
        { key: 'b', value: '3' },
      ],
      remove: ['never-there'],
    });
    const { entries } = await store.list('');
    expect(entries.map((entry) => entry.revision)).toEqual([revision, revision]);
  });

  test('of commits that race each is done once or refused', async () => {
    const store = await open();
    const add = async (): Promise<void> => {
      const entry = await store.get('counter');
      const value = String(Number(entry?.value ?? 0) + 1);
      const transaction = {
        expect: [{ key: 'counter', revision: entry?.revision ?? 0 }],
        put: [{ key: 'counter', value }],
      };
      await store.commit(transaction).catch(async (error: unknown) => {
        expect(error).toMatchObject({ code: 'STORE_CONFLICT' });
        await add();
      });
    };
    await Promise.all(Array.from({ length: 12 }, add));
    expect((await store.get('counter'))?.value).toBe('12');
  });

  test('what is too large, or no key, is refused', async () => {
    const store = await open();
    const large = 'x'.repeat((512 << 10) + 1);
    await expect(store.commit(put('a', large))).rejects.toMatchObject({ code: 'STORE_TOO_LARGE' });
    const many = Array.from({ length: 101 }, (_, index) => ({ key: `k${index}`, value: '1' }));
    await expect(store.commit({ put: many })).rejects.toMatchObject({ code: 'STORE_TOO_LARGE' });
    for (const key of ['', 'with blank', '~own', 'ä', 'x'.repeat(513)]) {
      await expect(store.commit(put(key))).rejects.toThrow(RangeError);
    }
    await expect(store.commit({ ...put('a'), remove: ['a'] })).rejects.toThrow(RangeError);
    expect((await store.list('')).entries).toEqual([]);
  });
}

function testLists(open: OpenEmptyStore): void {
  test('a list has the keys below its prefix and no others, page by page', async () => {
    const store = await open();
    const keys = ['a', 'a/1', 'a/2', 'a/3', 'a0', 'b'];
    await store.commit({ put: keys.map((key) => ({ key, value: '1' })) });
    const keysOf = ({ entries }: { readonly entries: readonly Entry[] }) =>
      entries.map(({ key }) => key);
    expect(keysOf(await store.list('a/'))).toEqual(['a/1', 'a/2', 'a/3']);
    expect(keysOf(await store.list('a/', { limit: 2 }))).toEqual(['a/1', 'a/2']);
    expect(keysOf(await store.list('a/', { after: 'a/2', limit: 2 }))).toEqual(['a/3']);
    expect(keysOf(await store.list('a/', { after: 'a/3' }))).toEqual([]);
    expect(keysOf(await store.list('b', { after: 'a' }))).toEqual(['b']);
    expect(keysOf(await store.list(''))).toEqual(keys);
  });
}

function testWatches(open: OpenEmptyStore): void {
  test('a watch tells each change after its revision once, in order, and nothing from elsewhere', async () => {
    const store = await open();
    await store.commit(put('w/0', 0));
    const { revision } = await store.list('w/');
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, index) => store.commit(put(`w/${index % 5}`, index))),
    );
    await store.commit(put('elsewhere'));
    const removed = await store.commit({ remove: ['w/0'] });
    const batches = await readUntil(store, 'w/', revision, (read) => countOf(read) === 21);
    const changes = batches.flat();
    expect(changes.map((change) => change.revision)).toEqual([
      ...made.sort((a, b) => a - b),
      removed,
    ]);
    expect(changes.at(-1)).toEqual({ key: 'w/0', value: undefined, revision: removed });
    expect(changes.slice(0, -1).every(({ value }) => value !== undefined)).toBe(true);
    expect(batches.every(({ isWhole }) => !isWhole)).toBe(true);
  });

  test('a watch without a revision, or with one that is none, begins with all that there is', async () => {
    const store = await open();
    const revision = await store.commit(put('w/1'));
    for (const fromRevision of [undefined, revision + 1_000_000]) {
      const [whole] = await readUntil(store, 'w/', fromRevision, () => true);
      expect(whole).toMatchObject({ isWhole: true, revision: expect.any(Number) as number });
      expect([...(whole ?? [])]).toEqual([{ key: 'w/1', value: '{}', revision }]);
    }
  });

  test('a watch that waits hears of a commit, and ends when it is told to', async () => {
    const store = await open();
    const controller = new AbortController();
    const { batches, ended } = collect(store, 'w/', { signal: controller.signal });
    await expect.poll(() => batches.length).toBe(1);
    await store.commit(put('w/1'));
    await expect.poll(() => batches.length).toBe(2);
    controller.abort();
    await ended;
  });

  test('watches end when the store is closed', async () => {
    const store = await open();
    const { batches, ended } = collect(store, 'w/', { signal: testSignal() });
    await expect.poll(() => batches.length).toBe(1);
    await store[Symbol.asyncDispose]();
    await ended;
    await expect(store.commit(put('a'))).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
  });
}

function testElections(open: OpenEmptyStore): void {
  test('one leads at a time; the fence of who gave it up is refused', async () => {
    const store = await open();
    const signal = testSignal();
    let leading = 0;
    const fences: { key: string; revision: number }[] = [];
    const candidacy = () =>
      store.elect('rollouts', {
        signal,
        onElected: async (_lost, fence) => {
          leading += 1;
          expect(leading).toBe(1);
          fences.push(fence);
          await store.commit({ expect: [fence], ...put('decision', fences.length) });
          leading -= 1;
        },
      });
    await Promise.all([candidacy(), candidacy(), candidacy()]);
    expect(fences).toHaveLength(3);
    for (const fence of fences) {
      await expect(store.commit({ expect: [fence], ...put('late') })).rejects.toMatchObject({
        code: 'STORE_CONFLICT',
        evidence: { keys: [fence.key] },
      });
    }
  });

  test('what a leader throws ends its candidacy, and who waits is let go by its signal', async () => {
    const store = await open();
    const waiting = new AbortController();
    const leader = store.elect('x', {
      signal: testSignal(),
      onElected: async () => {
        const second = store.elect('x', { signal: waiting.signal, onElected: () => never() });
        waiting.abort();
        await second;
        throw new Error('the work failed');
      },
    });
    await expect(leader).rejects.toThrow('the work failed');
  });
}

const never = (): Promise<void> => Promise.reject(new Error('nobody else may lead'));

const keyArbitrary = fc.constantFrom('m/a', 'm/b', 'm/c', 'n/a');
const stepArbitrary = fc.record({
  puts: fc.uniqueArray(fc.tuple(keyArbitrary, fc.nat(9)), { selector: ([key]) => key }),
  removes: fc.uniqueArray(keyArbitrary, { maxLength: 2 }),
  expected: fc.array(fc.tuple(keyArbitrary, fc.boolean()), { maxLength: 2 }),
});

function testAgainstModel(open: OpenEmptyStore, { propertyRuns }: { propertyRuns: number }): void {
  test('any commits leave what a map would hold, and a watch of them tells the same', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 12 }), async (steps) => {
        const store = await open();
        const { revision: start } = await store.list('');
        const model = new Map<string, Entry>();
        for (const { puts, removes, expected } of steps) {
          const expectations = expected.map(([key, isRight]) => ({
            key,
            revision: (model.get(key)?.revision ?? 0) + (isRight ? 0 : 7),
          }));
          const transaction = {
            expect: expectations,
            put: puts.map(([key, value]) => ({ key, value: String(value) })),
            remove: removes.filter((key) => !puts.some(([other]) => other === key)),
          };
          const holds = expected.every(([, isRight]) => isRight);
          const revision = await store.commit(transaction).catch((error: unknown) => {
            if ((error as { code?: string }).code !== 'STORE_CONFLICT') throw error;
            return undefined;
          });
          expect(revision !== undefined).toBe(holds);
          if (revision === undefined) continue;
          for (const { key, value } of transaction.put) model.set(key, { key, value, revision });
          for (const key of transaction.remove) model.delete(key);
        }
        const sorted = [...model.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
        expect((await store.list('')).entries).toEqual(sorted);
        expect(await replay(store, start)).toEqual(sorted.filter(({ key }) => key < 'n'));
        await store[Symbol.asyncDispose]();
      }),
      { numRuns: propertyRuns },
    );
  });
}

/** What somebody holds who read nothing but a watch of `m/`. */
async function replay(store: Store, fromRevision: number): Promise<Entry[]> {
  await store.commit(put('m/z-end'));
  const held = new Map<string, Entry>();
  await readUntil(store, 'm/', fromRevision, (batches) => {
    for (const { key, value, revision } of batches.at(-1) ?? []) {
      if (value === undefined) held.delete(key);
      else held.set(key, { key, value, revision });
    }
    return held.delete('m/z-end');
  });
  return [...held.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}
