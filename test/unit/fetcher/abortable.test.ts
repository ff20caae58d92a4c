import { expect, test } from 'vitest';
import { abortable, Turns } from '../../../fetcher/abortable.ts';
import { signal } from './fixture.ts';

test('waiting ends when the signal is aborted', async () => {
  const abort = new AbortController();
  const waiting = abortable(new Promise(() => undefined), abort.signal);
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(abortable(Promise.resolve(1), abort.signal)).rejects.toThrow('enough');
  expect(await abortable(Promise.resolve(1), signal)).toBe(1);
});

test('one that gives up its turn does not let the next one in too early', async () => {
  const turns = new Turns();
  const events: string[] = [];
  const first = Promise.withResolvers<undefined>();
  const one = turns.take(signal, async () => {
    await first.promise;
    events.push('one');
  });
  const abort = new AbortController();
  const two = turns.take(abort.signal, () => Promise.resolve(events.push('two')));
  const three = turns.take(signal, () => Promise.resolve(events.push('three')));
  abort.abort(new Error('enough'));
  await expect(two).rejects.toThrow('enough');
  first.resolve(undefined);
  await Promise.all([one, three]);
  expect(events).toEqual(['one', 'three']);
});

test('a failure goes to its caller alone', async () => {
  const turns = new Turns();
  const failing = turns.take(signal, () => Promise.reject(new Error('broken')));
  const next = turns.take(signal, () => Promise.resolve('fine'));
  await expect(failing).rejects.toThrow('broken');
  expect(await next).toBe('fine');
});
