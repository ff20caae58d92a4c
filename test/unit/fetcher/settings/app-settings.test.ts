import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { FleetSettings } from '../../../../src/api/index.ts';
import { durable, type Durability } from '../../../../src/image/index.ts';
import {
  temporaryDirectory,
  withTemporaryDirectory,
} from '../../../tools/with-temporary-directory.ts';
import { silent } from '../fixture.ts';
import { openSettings } from './fixture.ts';

const revision = (number: number): FleetSettings => ({
  revision: number,
  values: { DB: `http://db-${number}/` },
});

/** A disk that fails at the n-th call: what a kill at that point leaves is left too. */
function failingAt(call: number): Durability {
  let calls = 0;
  const sync = () => {
    if (++calls === call) return Promise.reject(new Error('the disk fails'));
    return Promise.resolve();
  };
  return { syncFile: sync, syncDirectory: sync };
}

describe('settings of an app', () => {
  test('hold, and hold again after a restart', async () => {
    const directory = await temporaryDirectory();
    const settings = await openSettings(directory, { durability: durable });
    expect(settings).toMatchObject({ revision: 0, values: {} });
    expect(await settings.apply(revision(3))).toBe('new');
    expect(settings.get('DB')).toBe('http://db-3/');
    expect(await openSettings(directory)).toMatchObject(revision(3));
    expect(await readdir(directory)).toEqual(['web.json']);
  });

  test('are the zone’s before the fleet’s before what the host was started with', async () => {
    const supplies = new Map([
      ['DB', 'supplied'],
      ['OWN', 'supplied'],
    ]);
    const init = { zone: 'eu', supplies };
    const settings = await openSettings(await temporaryDirectory(), init);
    expect(settings.get('DB')).toBe('supplied');
    await settings.apply({ revision: 1, values: { DB: 'all' } });
    expect(settings.get('DB')).toBe('all');
    await settings.apply({ revision: 2, values: { DB: 'all', 'DB@eu': 'here', 'DB@us': 'there' } });
    expect(settings.held('DB')).toEqual({ value: 'here', source: 'zone' });
    expect(settings.held('OWN')).toEqual({ value: 'supplied', source: 'supply' });
    await settings.apply({ revision: 3, values: {} });
    expect(settings.get('DB')).toBe('supplied');
  });

  test('never go back to an older revision', async () => {
    const directory = await temporaryDirectory();
    const settings = await openSettings(directory);
    await settings.apply(revision(3));
    expect(await settings.apply(revision(2))).toBe('older');
    const again = await openSettings(directory);
    expect(await again.apply(revision(2))).toBe('older');
    expect(again).toMatchObject(revision(3));
  });

  test('that come again are known, and other values under the same revision are refused', async () => {
    const settings = await openSettings(await temporaryDirectory());
    await settings.apply(revision(3));
    expect(await settings.apply(revision(3))).toBe('known');
    const other = { revision: 3, values: { DB: 'http://other/' } };
    await expect(settings.apply(other)).rejects.toMatchObject({ code: 'TRACKER_FAILED' });
    expect(settings).toMatchObject(revision(3));
  });

  test.each([
    { revision: -1, values: {} },
    { revision: 1.5, values: {} },
    { revision: 1, values: { 'a b': '' } },
    { revision: 1, values: { 'DB@': '' } },
    { revision: 1, values: { DB: null } },
    { revision: 1, values: { DB: 'x'.repeat(300_000) } },
    { revision: 1, values: {}, more: 1 },
    { revision: 1 },
    null,
  ])('that are not understood are refused: %#', async (given) => {
    const directory = await temporaryDirectory();
    const settings = await openSettings(directory);
    await expect(settings.apply(given as FleetSettings)).rejects.toMatchObject({
      code: 'TRACKER_FAILED',
    });
    expect(await readdir(directory)).toEqual([]);
  });

  test.each([
    '',
    '{',
    '[]',
    '{"revision":7}',
    '{"revision":"7","values":{}}',
    '{"revision":7,"values":{"DB":null}}',
    'x'.repeat(3 << 20),
  ])('that are damaged on disk count as none, which is said, and come anew: %#', async (text) => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, 'web.json'), text);
    const log = silent.child({});
    const error = vi.spyOn(log, 'error');
    const settings = await openSettings(directory, { log });
    expect(settings).toMatchObject({ revision: 0, values: {} });
    expect(error).toHaveBeenCalledOnce();
    expect(await settings.apply(revision(2))).toBe('new');
    expect(await openSettings(directory)).toMatchObject(revision(2));
  });

  test('are told at once, and acknowledged when they are on disk', async () => {
    const directory = await temporaryDirectory();
    const steps: string[] = [];
    const durability: Durability = {
      syncFile: () => Promise.resolve(void steps.push('file')),
      syncDirectory: () => Promise.resolve(void steps.push('directory')),
    };
    const settings = await openSettings(directory, { durability });
    settings.onChange(() => steps.push(`told ${settings.get('DB')}`));
    const applied = settings.apply(revision(1)).then(() => steps.push('acknowledged'));
    expect(steps).toEqual(['told http://db-1/']);
    expect(settings).toMatchObject({ revision: 1, keptRevision: 0 });
    await applied;
    expect(steps.slice(1)).toEqual(['file', 'directory', 'acknowledged']);
    expect(settings).toMatchObject({ revision: 1, keptRevision: 1 });
  });

  test('that come while the disk is busy are written once, the newest', async () => {
    const directory = await temporaryDirectory();
    const busy = Promise.withResolvers<undefined>();
    let written = 0;
    const durability: Durability = {
      syncFile: async () => {
        written += 1;
        await busy.promise;
      },
      syncDirectory: () => Promise.resolve(),
    };
    const settings = await openSettings(directory, { durability });
    const first = settings.apply(revision(1));
    await vi.waitFor(() => {
      expect(written).toBe(1);
    });
    const others = [4, 2, 9, 3].map((number) => settings.apply(revision(number)));
    busy.resolve(undefined);
    expect(await first).toBe('new');
    expect(await Promise.all(others)).toEqual(['new', 'older', 'new', 'older']);
    expect(written).toBe(2);
    expect(settings).toMatchObject({ revision: 9, keptRevision: 9 });
  });

  test('that come shortly after each other are written once, and at the latest at the end', async () => {
    const directory = await temporaryDirectory();
    const settings = await openSettings(directory, { keepAfterMs: 60_000 });
    const applied = [1, 2, 3].map((number) => settings.apply(revision(number)));
    expect(settings).toMatchObject({ revision: 3, keptRevision: 0 });
    await settings[Symbol.asyncDispose]();
    expect(await Promise.all(applied)).toEqual(['new', 'new', 'new']);
    expect(await openSettings(directory)).toMatchObject(revision(3));
  });

  test('that can not be written hold all the same, and are written when they come again', async () => {
    const directory = await temporaryDirectory();
    await (await openSettings(directory)).apply(revision(1));
    for (const call of [1, 2]) {
      const settings = await openSettings(directory, { durability: failingAt(call) });
      const held = settings.revision;
      let told = 0;
      settings.onChange(() => (told += 1));
      const given = revision(held + 1);
      await expect(settings.apply(given)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      expect(settings).toMatchObject({ ...given, keptRevision: held });
      expect(await settings.apply(given)).toBe('known');
      expect(settings.keptRevision).toBe(held + 1);
      expect(told).toBe(1);
      expect(await openSettings(directory)).toMatchObject(given);
    }
  });

  test('are whole after a kill at any point, and never older than what was acknowledged', async () => {
    const step = fc.record({
      revision: fc.integer({ min: 1, max: 9 }),
      failsAt: fc.nat({ max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), (steps) =>
        withTemporaryDirectory(async (directory) => {
          let acknowledged = 0;
          for (const { revision: number, failsAt } of steps) {
            const settings = await openSettings(directory, { durability: failingAt(failsAt) });
            expect(settings.revision).toBeGreaterThanOrEqual(acknowledged);
            if (settings.revision > 0) expect(settings).toMatchObject(revision(settings.revision));
            const applied = await settings.apply(revision(number)).catch(() => undefined);
            if (applied === 'new') acknowledged = number;
          }
        }),
      ),
      { numRuns: 60 },
    );
  });

  test('are texts, also where they come as numbers and booleans', async () => {
    const settings = await openSettings(await temporaryDirectory());
    const given = { revision: 1, values: { LIMIT: 2.5, DEBUG: true } };
    expect(await settings.apply(given)).toBe('new');
    expect(settings.values).toEqual({ LIMIT: '2.5', DEBUG: 'true' });
    expect(await settings.apply(given)).toBe('known');
  });

  test('are one file of JSON', async () => {
    const directory = await temporaryDirectory();
    const settings = await openSettings(directory);
    await settings.apply(revision(1));
    const text = await readFile(join(directory, 'web.json'), 'utf8');
    expect(text).toBe('{"revision":1,"values":{"DB":"http://db-1/"}}\n');
  });
});
