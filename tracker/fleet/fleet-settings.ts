import { fleetSettingsSchema, type FleetSettings as Settings } from '../../src/api/index.ts';
import { ConfigError } from '../../src/errors.ts';
import { needFault, type NeedType } from '../../src/image/index.ts';
import { valueKey } from '../../src/policy/index.ts';
import type { AuditLog } from '../audit/index.ts';
import type { Entry, Store } from '../store/index.ts';
import { expectation, parseEntry, put, tryAgain } from './entries.ts';

export interface FleetSettingsComponents {
  readonly store: Store;
  readonly audit: AuditLog;
  /** Of what types a need of an app is, in the images that are released. */
  readonly needTypes: (app: string, name: string) => readonly NeedType[];
}

/** One endpoint or tunable. */
export interface SettingName {
  readonly app: string;
  readonly name: string;
  /** For the hosts of this zone alone; empty: for all. */
  readonly zone: string;
}

export const settingsPrefix = 'settings/';
export const settingsKey = (app: string): string => `${settingsPrefix}${app}`;
const none: Settings = { revision: 0, values: {} };

/** Endpoints and tunables: for each app one record, which has a revision of its own. */
export class FleetSettings {
  readonly #components: FleetSettingsComponents;

  constructor(components: FleetSettingsComponents) {
    this.#components = components;
  }

  /** What holds for an app; revision 0 while nothing was ever set. */
  async of(app: string): Promise<Settings> {
    const entry = await this.#components.store.get(settingsKey(app));
    return entry === undefined ? none : parseSettings(entry).settings;
  }

  /**
   * Sets a value; all hosts that follow the app are told.
   * @returns the app's new revision, when it is durable
   * @throws ConfigError CONFIG_INVALID when it is not of the type that a released image needs
   */
  async set(at: SettingName, value: string, actor: string): Promise<number> {
    this.#check(at, value);
    const detail = { ...where(at), bytes: Buffer.byteLength(value) };
    return await this.#change(at, { actor, action: 'settings.set', detail }, (values) => ({
      ...values,
      [valueKey(at.name, at.zone)]: value,
    }));
  }

  /** @throws ConfigError CONFIG_INVALID when there is no such value */
  async remove(at: SettingName, actor: string): Promise<number> {
    const key = valueKey(at.name, at.zone);
    const record = { actor, action: 'settings.remove', detail: where(at) };
    return await this.#change(at, record, (values) => {
      if (!Object.hasOwn(values, key)) {
        throw new ConfigError('CONFIG_INVALID', `${at.app} has no value ${key}`);
      }
      return Object.fromEntries(Object.entries(values).filter(([name]) => name !== key));
    });
  }

  async #change(
    { app }: SettingName,
    record: { actor: string; action: string; detail: Record<string, string | number> },
    change: (values: Settings['values']) => Settings['values'],
  ): Promise<number> {
    const { store, audit } = this.#components;
    return await tryAgain(async () => {
      const entry = await store.get(settingsKey(app));
      const before = entry === undefined ? none : parseSettings(entry).settings;
      const next = { revision: before.revision + 1, values: change(before.values) };
      const checked = fleetSettingsSchema.safeParse(next);
      if (!checked.success) {
        const why = checked.error.issues.map(({ message }) => message).join('; ');
        throw new ConfigError('CONFIG_INVALID', `the settings of ${app} ${why}`);
      }
      const detail = { ...record.detail, revision: next.revision };
      await audit.commit(
        { expect: [expectation(settingsKey(app), entry)], put: [put(settingsKey(app), next)] },
        { ...record, detail, subject: app, outcome: 'done' },
      );
      return next.revision;
    });
  }

  #check({ app, name }: SettingName, value: string): void {
    for (const type of this.#components.needTypes(app, name)) {
      const fault = needFault(type, value);
      if (fault === undefined) continue;
      throw new ConfigError(
        'CONFIG_INVALID',
        `${name} of ${app} ${fault}: an image that is released needs a value of type ${type}. Nothing was changed`,
        { evidence: { app, name, type } },
      );
    }
  }
}

/** @throws StoreError */
export const parseSettings = (
  entry: Entry,
): { readonly app: string; readonly settings: Settings } => ({
  app: entry.key.slice(settingsPrefix.length),
  settings: parseEntry(fleetSettingsSchema, entry),
});

/** The value itself may be a secret, and is not in the log. */
const where = ({ name, zone }: SettingName): Record<string, string> =>
  zone === '' ? { name } : { name, zone };
