import { isDeepStrictEqual } from 'node:util';
import {
  fleetSettingsSchema,
  type FleetSettings,
  type GivenSettings,
} from '../../src/api/index.ts';
import { TrackerError } from '../../src/errors.ts';
import type { Durability } from '../../src/image/index.ts';
import { heldValue, type HeldValue } from '../../src/policy/index.ts';
import { cancellableDelay } from '../../src/swarm/index.ts';
import { Turns } from '../abortable.ts';
import type { Log } from '../guard.ts';
import type { Supplies } from '../needs.ts';
import { readSettings, writeSettings } from './settings-record.ts';

export interface AppSettingsComponents {
  readonly durability: Durability;
  readonly log: Log;
}

export interface AppSettingsInit {
  readonly app: string;
  /** Where they are kept. */
  readonly path: string;
  /** The zone of this host; empty: none. */
  readonly zone: string;
  /** What the host was started with, by name. */
  readonly supplies: ReadonlyMap<string, string>;
  /** How long after it was told a revision is written, in milliseconds; of a burst the last alone is. */
  readonly keepAfterMs?: number;
}

const defaultKeepAfterMs = 100;

/**
 * What became of settings that came: they hold now; they held already; or they are older than what
 * holds, and were left aside.
 */
export type Applied = 'new' | 'known' | 'older';

/** The fleet has said nothing yet. */
const none = { revision: 0, values: {} } as const;

/** For work that nothing ends: a revision is written, whoever waits for it. */
const never = new AbortController().signal;

/**
 * The values of one app on this host: the newest revision of what the fleet says, kept on disk, so
 * that a host starts without a tracker, and beneath it what the host was started with.
 */
export class AppSettings implements Supplies, AsyncDisposable {
  readonly app: string;
  readonly #components: AppSettingsComponents;
  readonly #init: AppSettingsInit;
  readonly #turns = new Turns();
  readonly #closing = new AbortController();
  readonly #listeners = new Set<() => void>();
  #held: FleetSettings = none;
  /** What holds, for looking it up. */
  #fleet: ReadonlyMap<string, string> = new Map();
  #keptRevision = 0;
  #changed = Promise.withResolvers<undefined>();

  private constructor(components: AppSettingsComponents, init: AppSettingsInit) {
    this.app = init.app;
    this.#components = components;
    this.#init = init;
  }

  /** Opens what was kept. What is damaged counts as nothing, and is said. */
  static async open(
    components: AppSettingsComponents,
    init: AppSettingsInit,
  ): Promise<AppSettings> {
    const settings = new AppSettings(components, init);
    try {
      const kept = await readSettings(init.path);
      if (kept !== undefined) settings.#hold(kept);
      settings.#keptRevision = settings.revision;
    } catch (error) {
      const { app, path } = init;
      components.log.error(
        { err: error, app, path },
        'the settings that were kept can not be read; until the tracker tells them again there are none',
      );
    }
    return settings;
  }

  /** The revision that holds; 0: none. */
  get revision(): number {
    return this.#held.revision;
  }

  /** The revision that holds again after a restart. It is behind `revision` while the disk is busy or full. */
  get keptRevision(): number {
    return this.#keptRevision;
  }

  /** What the fleet says, for all zones. */
  get values(): Readonly<Record<string, string>> {
    return this.#held.values;
  }

  /** Fulfilled at the next change. */
  get changed(): Promise<undefined> {
    return this.#changed.promise;
  }

  /** The value that a need has here, but for its default. */
  get(name: string): string | undefined {
    return this.held(name)?.value;
  }

  /** The value that a need has here, and where it comes from. */
  held(name: string, byDefault?: string | number | boolean): HeldValue | undefined {
    const { zone, supplies } = this.#init;
    return heldValue(name, { fleet: this.#fleet, zone, supplies }, byDefault);
  }

  /**
   * Takes a revision: it holds at once, and everybody is told before this returns. When the promise is
   * fulfilled it is on disk, or a newer one is. Of several that come shortly after each other only the
   * newest is written.
   * @throws TrackerError when it is not understood, or the revision that holds had other values
   * @throws StorageError; it holds until the host starts anew, and is written when it comes again
   */
  async apply(settings: GivenSettings): Promise<Applied> {
    const given = this.#understood(settings);
    if (given.revision < this.revision) return 'older';
    const isNew = given.revision > this.revision;
    if (isNew) {
      this.#hold(given);
      this.#tell();
    } else this.#expectSame(given);
    await this.#keep(given.revision);
    return isNew ? 'new' : 'known';
  }

  /** Writes at once what waits to be written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#turns.take(never, () => Promise.resolve());
  }

  /** Calls a listener after each change. @returns what ends that */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #hold(settings: FleetSettings): void {
    this.#held = settings;
    this.#fleet = new Map(Object.entries(settings.values));
  }

  /** Writes what holds, unless the disk has this revision or a newer one already. */
  async #keep(revision: number): Promise<void> {
    await this.#turns.take(never, async () => {
      if (this.#keptRevision >= revision) return;
      const { keepAfterMs = defaultKeepAfterMs } = this.#init;
      await cancellableDelay(keepAfterMs, this.#closing.signal);
      const newest = this.#held;
      await writeSettings(this.#components.durability, this.#init.path, newest);
      this.#keptRevision = newest.revision;
    });
  }

  #tell(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#components.log.error({ err: error, app: this.app }, 'telling of settings failed');
      }
    }
    this.#changed.resolve(undefined);
    this.#changed = Promise.withResolvers();
  }

  #expectSame(given: FleetSettings): void {
    if (isDeepStrictEqual({ ...given.values }, { ...this.values })) return;
    throw new TrackerError(
      'TRACKER_FAILED',
      `revision ${given.revision} of the settings of ${this.app} came twice, with other values; what came first holds. Look whether trackers share one store; setting any value makes a new revision.`,
      { evidence: { app: this.app, revision: given.revision } },
    );
  }

  #understood(settings: GivenSettings): FleetSettings {
    const result = fleetSettingsSchema.safeParse(settings);
    if (result.success) return result.data;
    throw new TrackerError(
      'TRACKER_FAILED',
      `settings of ${this.app} were refused: ${result.error.message}`,
      { evidence: { app: this.app } },
    );
  }
}
