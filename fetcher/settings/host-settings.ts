import type { HostSettings } from '../../src/api/index.ts';
import type { RunningSettings } from './running-settings.ts';
import type { SettingsApi } from './settings-api.ts';
import type { SettingsStore } from './settings-store.ts';

/** How one followed channel has its settings. */
export interface ChannelSettings {
  readonly app: string;
  readonly channel: string;
  readonly running: RunningSettings;
  /** Undefined where there could be no socket. */
  readonly api: SettingsApi | undefined;
}

/** What holds on this host, as an operator sees it. */
export function describeSettings(
  store: SettingsStore,
  channels: readonly ChannelSettings[],
): HostSettings {
  const apps = [...store].map(({ app, revision, values }) => ({
    app,
    revision,
    values: { ...values },
    channels: channels
      .filter((of) => of.app === app)
      .map(({ channel, running, api }) => ({
        channel,
        watchers: api?.watchers ?? 0,
        ...running.status(),
      })),
  }));
  return { apps };
}
