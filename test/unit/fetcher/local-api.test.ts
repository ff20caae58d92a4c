import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { limitsToSet, limitsToTell } from '../../../fetcher/limits.ts';
import { LocalApi } from '../../../fetcher/local-api.ts';
import { FetcherClient } from '../../../src/api/index.ts';
import { ConfigError } from '../../../src/errors.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const limits = {
  uploadBytesPerSecond: null,
  downloadBytesPerSecond: 5_000,
  swarms: [
    {
      imageId: 'bimage',
      name: 'web',
      uploadBytesPerSecond: null,
      downloadBytesPerSecond: null,
      priority: 'normal' as const,
    },
  ],
};

const settings = {
  apps: [
    {
      app: 'web',
      revision: 3,
      values: { 'DB@eu': 'http://db/' },
      channels: [
        {
          channel: 'stable',
          generation: 2,
          watchers: 1,
          needs: [{ name: 'DB', type: 'url', value: 'http://db/', source: 'zone' as const }],
        },
      ],
    },
  ],
};

/** A local interface of no fetcher, what it was told, and a client of it. */
async function openApi() {
  const socketPath = join(await temporaryDirectory(), 'fetcher.sock');
  const told: unknown[] = [];
  const fetcher = {
    status: () => ({ running: true, channels: [], swarms: [] }),
    generations: () => Promise.resolve([]),
    rollback: () => Promise.reject(new Error('not asked for')),
    describeSettings: () => settings,
    limits: () => limits,
    setLimits: (change: unknown) => told.push(change),
    setSwarmLimits: (imageId: string, change: unknown) => {
      if (imageId !== 'bimage') throw new ConfigError('CONFIG_INVALID', `no image ${imageId}`);
      told.push(imageId, change);
    },
  };
  const api = await LocalApi.open({ fetcher }, { socketPath });
  onTestFinished(() => api[Symbol.asyncDispose]());
  return { client: new FetcherClient({ socketPath }), told };
}

test('limits are told, and what was changed reaches the fetcher', async () => {
  const { client, told } = await openApi();
  expect(await client.limits()).toEqual(limits);
  expect(await client.setLimits({ uploadBytesPerSecond: null })).toEqual(limits);
  const change = { priority: 'high', downloadBytesPerSecond: 1_000 } as const;
  expect(await client.setSwarmLimits('bimage', change)).toEqual(limits);
  expect(told).toEqual([{ uploadBytesPerSecond: null }, 'bimage', change]);
});

test('settings are told as they hold', async () => {
  const { client } = await openApi();
  expect(await client.settings()).toEqual(settings);
});

test('a change that is not understood changes nothing', async () => {
  const { client, told } = await openApi();
  const invalid = { code: 'CONFIG_INVALID' };
  const wrong = { uploadBytesPerSecond: -1 };
  await expect(client.setLimits(wrong)).rejects.toMatchObject(invalid);
  await expect(client.setSwarmLimits('bimage', wrong)).rejects.toMatchObject(invalid);
  await expect(client.setSwarmLimits('../other', {})).rejects.toMatchObject({
    ...invalid,
    message: 'no image ../other',
  });
  expect(told).toEqual([]);
});

test('where no fetcher runs there are no limits', async () => {
  const socketPath = join(await temporaryDirectory(), 'fetcher.sock');
  const client = new FetcherClient({ socketPath });
  expect(await client.limits()).toBeUndefined();
  expect(await client.setLimits({})).toBeUndefined();
});

test('no limit is null in JSON and Infinity inside; what is left out stays left out', () => {
  const inside = { uploadBytesPerSecond: Infinity, downloadBytesPerSecond: 7 };
  const outside = { uploadBytesPerSecond: null, downloadBytesPerSecond: 7 };
  expect(limitsToTell(inside)).toEqual(outside);
  expect(limitsToSet(outside)).toEqual(inside);
  expect(limitsToSet({ uploadBytesPerSecond: 1 })).toEqual({ uploadBytesPerSecond: 1 });
});
