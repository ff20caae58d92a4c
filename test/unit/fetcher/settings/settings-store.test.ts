import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RunningSettings } from '../../../../fetcher/settings/running-settings.ts';
import { describeSettings } from '../../../../fetcher/settings/host-settings.ts';
import { SettingsStore } from '../../../../fetcher/settings/settings-store.ts';
import { hostSettingsSchema } from '../../../../src/api/index.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';
import { silent } from '../fixture.ts';
import { notDurable, startedImage } from './fixture.ts';

async function openStore(directory: string, apps: readonly string[]) {
  return await SettingsStore.open(
    { durability: notDurable, log: silent },
    { directory: join(directory, 'settings'), apps, zone: '', supplies: new Map() },
  );
}

test('each app has settings of its own, which are kept where only their owner looks', async () => {
  const directory = await temporaryDirectory();
  const store = await openStore(directory, ['web', 'mail', 'web']);
  expect(await store.apply('web', { revision: 7, values: { DB: 'x' } })).toBe('new');
  expect(store.keptRevisions()).toEqual({ web: 7, mail: 0 });
  expect(store.of('mail').get('DB')).toBeUndefined();
  expect((await openStore(directory, ['web'])).keptRevisions()).toEqual({ web: 7 });
  expect((await stat(join(directory, 'settings'))).mode & 0o777).toBe(0o700);
});

test('settings of an app that is not followed are left aside', async () => {
  const store = await openStore(await temporaryDirectory(), ['web']);
  await expect(store.apply('../web', { revision: 1, values: {} })).rejects.toMatchObject({
    code: 'TRACKER_FAILED',
  });
});

test('an operator sees what came, and what each channel makes of it', async () => {
  const store = await openStore(await temporaryDirectory(), ['web', 'mail']);
  const running = new RunningSettings({ settings: store.of('web'), log: silent });
  const channels = [{ app: 'web', channel: 'stable', running, api: undefined }];
  await store.apply('web', { revision: 1, values: { DB: 'http://db/', 'DB@eu': 'http://eu/' } });
  running.show(await startedImage(3));
  const described = describeSettings(store, channels);
  expect(hostSettingsSchema.parse(described)).toEqual(described);
  expect(described.apps).toEqual([
    {
      app: 'web',
      revision: 1,
      values: { DB: 'http://db/', 'DB@eu': 'http://eu/' },
      channels: [
        {
          channel: 'stable',
          generation: 3,
          watchers: 0,
          needs: [
            { name: 'DB', type: 'url', value: 'http://db/', source: 'fleet' },
            { name: 'LIMIT', type: 'number', value: 5, source: 'default' },
          ],
        },
      ],
    },
    { app: 'mail', revision: 0, values: {}, channels: [] },
  ]);
});
