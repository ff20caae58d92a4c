import { join } from 'node:path';
import type { Generation } from '../../../../fetcher/generation-record.ts';
import {
  AppSettings,
  type AppSettingsComponents,
  type AppSettingsInit,
} from '../../../../fetcher/settings/app-settings.ts';
import { RunningSettings } from '../../../../fetcher/settings/running-settings.ts';
import { checkManifest, type Durability } from '../../../../src/image/index.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';
import { silent } from '../fixture.ts';

/** For what no test cuts the power of. */
export const notDurable: Durability = {
  syncFile: () => Promise.resolve(),
  syncDirectory: () => Promise.resolve(),
};

/** The settings of the app `web`, kept in a directory. */
export async function openSettings(
  directory: string,
  init: Partial<AppSettingsInit & AppSettingsComponents> = {},
): Promise<AppSettings> {
  const { durability = notDurable, log = silent, ...more } = init;
  return await AppSettings.open(
    { durability, log },
    {
      ...{ app: 'web', path: join(directory, 'web.json'), zone: '', supplies: new Map() },
      ...{ keepAfterMs: 0, ...more },
    },
  );
}

/** A generation of the app `web` that needs DB, a URL, and LIMIT, a number with a default. */
export async function startedImage(number = 1, values: Readonly<Record<string, string>> = {}) {
  const generation: Generation = {
    number,
    imageId: 'bimage',
    app: 'web',
    channel: 'stable',
    release: number,
    version: '1',
    createdAt: '2026-01-01T00:00:00.000Z',
    state: 'healthy',
  };
  const manifest = await checkManifest({
    name: 'web',
    version: '1',
    settings: { color: 'red' },
    needs: { DB: { type: 'url' }, LIMIT: { type: 'number', default: 5 } },
  });
  return { generation, manifest, values: new Map(Object.entries(values)) };
}

/** Settings of which a generation is told. */
export async function runningSettings(init: Partial<AppSettingsInit> = {}) {
  const directory = await temporaryDirectory();
  const settings = await openSettings(directory, init);
  const running = new RunningSettings({ settings, log: silent });
  return { directory, settings, running };
}
