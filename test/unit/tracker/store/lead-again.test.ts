import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { leadAgain, type Store } from '../../../../tracker/store/index.ts';
import { SqliteStore } from '../../../../tracker/store/sqlite-store.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

async function openStore(): Promise<Store> {
  const store = await SqliteStore.open({ path: join(await temporaryDirectory(), 'store.db') });
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}

test('an election that fails, and a leader that throws or gives up, are followed by another try', async () => {
  const store = await openStore();
  const ending = new AbortController();
  const failed: string[] = [];
  const said: (() => Promise<void>)[] = [
    () => Promise.reject(new Error('the leader has failed')),
    () => Promise.resolve(),
    async () => {
      ending.abort();
      await Promise.resolve();
    },
  ];
  let elections = 0;
  const elect: Store['elect'] = (name, options) =>
    elections++ === 0
      ? Promise.reject(new Error('database space exceeded'))
      : store.elect(name, options);
  await leadAgain({ elect }, 'resigner', {
    signal: ending.signal,
    againMs: 1,
    onElected: () => said.shift()?.() ?? Promise.resolve(),
    onFailed: (error) => failed.push((error as Error).message),
  });
  expect(failed).toEqual(['database space exceeded', 'the leader has failed']);
  expect(elections).toBe(4);
  expect(said).toEqual([]);
});

test('it ends when it is told to, though another leads', async () => {
  const store = await openStore();
  const ending = new AbortController();
  const { promise: isLed, resolve } = Promise.withResolvers<undefined>();
  const leading = store.elect('resigner', {
    signal: ending.signal,
    onElected: async (signal) => {
      resolve(undefined);
      await new Promise((end) => {
        signal.addEventListener('abort', end);
      });
    },
  });
  await isLed;
  const waiting = leadAgain(store, 'resigner', {
    signal: ending.signal,
    againMs: 1,
    onElected: () => Promise.reject(new Error('nobody is elected beside another')),
    onFailed: (error) => {
      throw error;
    },
  });
  ending.abort();
  await Promise.all([leading, waiting]);
});
