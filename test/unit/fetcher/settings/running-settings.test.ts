import { expect, test } from 'vitest';
import { runningSettings, startedImage } from './fixture.ts';

const url = { DB: 'http://db-1/' };

test('an app is told what its image needs, with types, and nothing else', async () => {
  const { settings, running } = await runningSettings();
  expect(running.document()).toBeUndefined();
  await settings.apply({ revision: 4, values: { ...url, LIMIT: '7', SECRET: 'of another' } });
  running.show(await startedImage(2));
  expect(running.document()).toEqual({
    app: 'web',
    channel: 'stable',
    generation: 2,
    version: '1',
    revision: 4,
    settings: { color: 'red' },
    values: { DB: { type: 'url', value: 'http://db-1/' }, LIMIT: { type: 'number', value: 7 } },
  });
});

test('an app has the newest values also when it was planned with older ones', async () => {
  const { settings, running } = await runningSettings();
  await settings.apply({ revision: 1, values: url });
  running.show(await startedImage(1, { DB: 'http://old/', LIMIT: '5' }));
  expect(running.get('DB')).toBe('http://db-1/');
  expect(running.get('LIMIT')).toBe('5');
});

test('only a change of what the image needs is a change', async () => {
  const { settings, running } = await runningSettings();
  await settings.apply({ revision: 1, values: url });
  const changes: string[] = [];
  running.onChange = (what) => changes.push(`${what} ${running.values().revision}`);
  running.show(await startedImage());
  await settings.apply({ revision: 2, values: { ...url, OTHER: 'x', 'DB@eu': 'http://eu/' } });
  await settings.apply({ revision: 3, values: { ...url, LIMIT: '5' } });
  expect(changes).toEqual(['generation 1']);
  await settings.apply({ revision: 4, values: { ...url, LIMIT: '6' } });
  expect(changes).toEqual(['generation 1', 'values 4']);
});

test('a value that goes away or is of a wrong type is not passed on, and is told to operators', async () => {
  const { settings, running } = await runningSettings();
  await settings.apply({ revision: 1, values: { ...url, LIMIT: '7' } });
  running.show(await startedImage());
  let changes = 0;
  running.onChange = () => (changes += 1);
  await settings.apply({ revision: 2, values: { LIMIT: 'many' } });
  expect(changes).toBe(0);
  expect(running.values()).toEqual({
    revision: 2,
    values: { DB: { type: 'url', value: 'http://db-1/' }, LIMIT: { type: 'number', value: 7 } },
  });
  expect(running.status().needs).toEqual([
    { name: 'DB', type: 'url', value: 'http://db-1/', fault: 'is not supplied any more' },
    { name: 'LIMIT', type: 'number', value: 7, source: 'fleet', fault: 'must be a number' },
  ]);
  await settings.apply({ revision: 3, values: { DB: 'http://db-3/' } });
  expect(changes).toBe(1);
  expect(running.status().needs).toEqual([
    { name: 'DB', type: 'url', value: 'http://db-3/', source: 'fleet' },
    { name: 'LIMIT', type: 'number', value: 5, source: 'default' },
  ]);
});
