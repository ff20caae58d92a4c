import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  FetcherStatus,
  Generations as GenerationList,
  HostSettings,
} from '../src/api/index.ts';
import { durable } from '../src/image/index.ts';
import { FetcherDirectory } from './fetcher-directory.ts';
import { Generations } from './generations.ts';
import { readSettings } from './settings/settings-record.ts';

/** What the disk tells while no fetcher runs. Nothing is written. */
export async function offlineGenerations(path: string): Promise<GenerationList> {
  const directory = new FetcherDirectory(path);
  const generations: GenerationList['generations'] = [];
  for (const app of await namesIn(directory.apps)) {
    for (const channel of await namesIn(join(directory.apps, app))) {
      const found = new Generations(
        { durability: durable },
        { directory: directory.channel(app, channel), app, channel },
      );
      const current = await found.current();
      for (const generation of await found.list()) {
        generations.push({ ...generation, current: generation.number === current?.number });
      }
    }
  }
  return { generations };
}

/** The status of a host whose fetcher does not run. */
export async function offlineStatus(path: string): Promise<FetcherStatus> {
  const { generations } = await offlineGenerations(path);
  const channels: FetcherStatus['channels'] = generations
    .filter(({ current }) => current)
    .map(({ app, channel, number, imageId, version, createdAt }) => ({
      app,
      channel,
      state: 'following',
      activation: {
        state: 'stopped',
        generation: number,
        imageId,
        version,
        restarts: 0,
        since: createdAt,
      },
    }));
  return { running: false, channels, swarms: [] };
}

/**
 * The settings that a host has kept, while its fetcher does not run.
 * @throws Error when they are damaged
 */
export async function offlineSettings(path: string): Promise<HostSettings> {
  const directory = new FetcherDirectory(path).settings;
  const apps: HostSettings['apps'] = [];
  for (const name of await namesIn(directory)) {
    const app = /^(.+)\.json$/.exec(name)?.[1];
    const kept = app === undefined ? undefined : await readSettings(join(directory, name));
    if (app !== undefined && kept !== undefined) apps.push({ app, ...kept, channels: [] });
  }
  return { apps };
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}
