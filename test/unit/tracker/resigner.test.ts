import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Resigner } from '../../../tracker/resigner.ts';
import { createOnlineWorld } from './online-world.ts';

const dayMs = 86_400_000;
const log = pino({ level: 'silent' });

test('snapshot and timestamp are signed again when half of their time is over, targets never', async () => {
  let nowMs = Date.parse('2030-01-01T00:00:00Z');
  const now = () => nowMs;
  const world = await createOnlineWorld({ now, timestampMs: 2 * dayMs, snapshotMs: 10 * dayMs });
  const { store } = world;
  const resigner = new Resigner({ releases: store, now, log }, { everyMs: 1, whenLeftMs: dayMs });
  expect(await resigner.signIfDue()).toBe(false);
  const { set } = await store.push(world.release('one'));
  const versions: number[] = [];
  for (let hours = 0; hours < 24 * 40; hours += 12) {
    nowMs += dayMs / 2;
    await resigner.signIfDue();
    const { summary } = store.current ?? {};
    expect(summary?.onlineExpires.getTime()).toBeGreaterThan(nowMs);
    versions.push(summary?.timestampVersion ?? 0);
  }
  expect(versions.at(-1)).toBeGreaterThan(20);
  expect(versions.at(-1)).toBeLessThanOrEqual(41);
  expect(store.current?.set.targets).toBe(set.targets);
  expect(store.current?.summary.releases).toMatchObject([{ app: 'app', release: 1 }]);
});

test('a failure is tried again, and the end comes at once', async () => {
  const ending = new AbortController();
  const outcomes: string[] = [];
  const errors: string[] = [];
  const write = (line: string) => errors.push((JSON.parse(line) as { msg: string }).msg);
  const resigner = new Resigner(
    {
      releases: {
        signsOnline: true,
        current: { set: {} as never, summary: { onlineExpires: new Date(0) } as never },
        signAgain: () => {
          outcomes.push('tried');
          if (outcomes.length < 3) return Promise.reject(new Error('the disk is full'));
          return Promise.resolve(undefined);
        },
      },
      now: () => 1,
      wait: (_ms, signal) => {
        if (outcomes.length === 3) ending.abort();
        signal.throwIfAborted();
        return Promise.resolve();
      },
      log: pino({ level: 'error' }, { write }),
    },
    { everyMs: 1, whenLeftMs: 1 },
  );
  await resigner.run(ending.signal);
  expect(outcomes).toHaveLength(3);
  expect(errors).toHaveLength(2);
});

test('where root does not name the key, nothing is signed', async () => {
  const { store, release } = await createOnlineWorld({ now: Date.now, isNamed: false });
  const resigner = new Resigner(
    { releases: store, now: () => Infinity, log },
    { everyMs: 1, whenLeftMs: dayMs },
  );
  expect(store.signsOnline).toBe(false);
  expect(await resigner.signIfDue()).toBe(false);
  await expect(store.push(release('one'))).rejects.toMatchObject({ code: 'REPOSITORY_SIGNATURE' });
});
