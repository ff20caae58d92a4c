import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import type { GivenSettings } from '../../src/api/index.ts';
import { TrackerError } from '../../src/errors.ts';
import { makeDirectory, onDisk } from '../atomic-file.ts';
import { AppSettings, type Applied, type AppSettingsComponents } from './app-settings.ts';

export interface SettingsStoreInit {
  /** Where they are kept, a file an app; made when it is missing. */
  readonly directory: string;
  /** The apps that this host follows. */
  readonly apps: Iterable<string>;
  /** The zone of this host; empty: none. */
  readonly zone: string;
  /** What the host was started with, by name. */
  readonly supplies: ReadonlyMap<string, string>;
}

/** The settings of all apps that a host follows. */
export class SettingsStore implements AsyncDisposable {
  readonly #apps: ReadonlyMap<string, AppSettings>;

  private constructor(apps: ReadonlyMap<string, AppSettings>) {
    this.#apps = apps;
  }

  /** @throws StorageError when the directory can't be made */
  static async open(
    components: AppSettingsComponents,
    init: SettingsStoreInit,
  ): Promise<SettingsStore> {
    const { directory, zone, supplies } = init;
    await onDisk('Opening the settings', directory, async () => {
      await makeDirectory(components.durability, directory);
      // An endpoint may have a password in it.
      await chmod(directory, 0o700);
    });
    const apps = new Map<string, AppSettings>();
    for (const app of new Set(init.apps)) {
      const path = join(directory, `${app}.json`);
      apps.set(app, await AppSettings.open(components, { app, path, zone, supplies }));
    }
    return new SettingsStore(apps);
  }

  /** The settings of an app that is followed. @throws TrackerError for any other */
  of(app: string): AppSettings {
    const settings = this.#apps.get(app);
    if (settings !== undefined) return settings;
    throw new TrackerError(
      'TRACKER_FAILED',
      `settings came for ${app.slice(0, 100)}, which is not followed here; they were left aside`,
      { evidence: { app } },
    );
  }

  /** Which revision of each app is on disk: what a tracker need not tell. */
  keptRevisions(): Record<string, number> {
    const kept = [...this.#apps.values()].map(({ app, keptRevision }) => [app, keptRevision]);
    return Object.fromEntries(kept) as Record<string, number>;
  }

  /**
   * Takes a revision of an app's settings: see AppSettings.apply.
   * @throws TrackerError, StorageError
   */
  async apply(app: string, settings: GivenSettings): Promise<Applied> {
    return await this.of(app).apply(settings);
  }

  /** Writes at once what waits to be written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#apps.values()].map((app) => app[Symbol.asyncDispose]()));
  }

  [Symbol.iterator](): Iterator<AppSettings> {
    return this.#apps.values();
  }
}
