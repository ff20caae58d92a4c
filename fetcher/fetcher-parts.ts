import { durable, ImageStore, type TreeDurability } from '../src/image/index.ts';
import { Exchange, type SwarmStatus } from '../src/swarm/index.ts';
import { Activation } from './activation.ts';
import type { FetcherConfig } from './config.ts';
import type { FetcherDirectory } from './fetcher-directory.ts';
import { PermitBook } from './fleet/permit-book.ts';
import { Preheating } from './fleet/preheating.ts';
import { Follower, type FollowerEvent } from './follower.ts';
import type { Log } from './guard.ts';
import { ReleaseSource } from './release-source.ts';
import type { ChannelSettings } from './settings/host-settings.ts';
import { openSettingsApi } from './settings/open-settings-api.ts';
import { RunningSettings } from './settings/running-settings.ts';
import { SettingsStore } from './settings/settings-store.ts';

export interface FetcherComponents {
  readonly log: Log;
  readonly durability?: TreeDurability;
  readonly random?: () => number;
  readonly onEvent?: (event: FetcherEvent) => void;
  /**
   * In a fleet with trackers: its time in milliseconds since 1970, never behind it; undefined while it
   * is not known, or this host does not belong. Without it releases that have a plan are not activated.
   */
  readonly fleetTimeMs?: (() => number | undefined) | undefined;
}

export type FetcherEvent =
  | ({ readonly app: string; readonly channel: string } & FollowerEvent)
  | { readonly event: 'warning'; readonly message: string }
  | { readonly event: 'settings'; readonly app: string; readonly revision: number }
  | { readonly event: 'swarm'; readonly swarm: SwarmStatus };

/** What a fetcher is made of. */
export interface FetcherParts {
  readonly store: ImageStore;
  readonly exchange: Exchange;
  readonly releases: ReleaseSource;
  readonly followers: readonly Follower[];
  readonly preheating: Preheating;
  readonly settings: SettingsStore;
  readonly channels: readonly ChannelSettings[];
}

/** What parts tell their fetcher. */
export interface FetcherHooks {
  readonly onActivated: () => Promise<void>;
  readonly onLeft: (imageId: string) => Promise<void>;
  readonly onWarning: (message: string, error: unknown) => void;
}

/** Opens what a fetcher is made of; `resources` ends it. */
export async function openParts(
  components: FetcherComponents,
  config: FetcherConfig,
  directory: FetcherDirectory,
  resources: AsyncDisposableStack,
  hooks: FetcherHooks,
): Promise<FetcherParts> {
  const durability = components.durability ?? durable;
  const random = components.random ?? Math.random;
  const { log, onEvent } = components;
  const store = new ImageStore({ durability }, { directory: directory.store });
  const now = () => performance.now();
  const exchange = await Exchange.open(
    { store, durability, random, now },
    {
      ...config,
      ...config.transport,
      onWarning: hooks.onWarning,
      onChange: (swarm) => onEvent?.({ event: 'swarm', swarm }),
    },
  );
  resources.use(exchange);
  const apps = config.follow.map(({ app }) => app);
  const { trackers, root } = config;
  const releases = new ReleaseSource(
    { durability },
    {
      trackers,
      trackerAuthorities: config.trackerAuthorities,
      root,
      directory: directory.trust,
      apps: [...new Set(apps)],
    },
  );
  const zone = config.transport.place?.zone ?? '';
  const settings = await SettingsStore.open(
    { durability, log },
    { directory: directory.settings, apps, zone, supplies: config.supplies },
  );
  resources.use(settings);
  const followers: Follower[] = [];
  const onChange = () => {
    for (const { reporter } of followers) reporter.changed();
  };
  const preheating = new Preheating({ exchange, log, onChange });
  const parts = { store, exchange, releases, preheating, settings };
  const shared = { ...components, ...parts, durability, random, config, directory, hooks };
  const channels: ChannelSettings[] = [];
  for (const { app, channel } of config.follow) {
    const opened = await openChannel(shared, { app, channel }, resources);
    channels.push(opened.settings);
    followers.push(opened.follower);
  }
  for (const ofApp of settings) {
    const { app } = ofApp;
    ofApp.onChange(() => {
      onEvent?.({ event: 'settings', app, revision: ofApp.revision });
    });
  }
  return { ...parts, followers, channels };
}

/** What all channels work with. */
interface ChannelComponents
  extends FetcherComponents, Pick<FetcherParts, 'exchange' | 'releases' | 'preheating'> {
  readonly settings: SettingsStore;
  readonly durability: TreeDurability;
  readonly random: () => number;
  readonly config: FetcherConfig;
  readonly directory: FetcherDirectory;
  readonly hooks: FetcherHooks;
}

/** Opens what follows one channel, and runs its application. */
async function openChannel(
  components: ChannelComponents,
  { app, channel }: { readonly app: string; readonly channel: string },
  resources: AsyncDisposableStack,
): Promise<{ readonly follower: Follower; readonly settings: ChannelSettings }> {
  const { durability, random, log, fleetTimeMs, onEvent, config, directory } = components;
  const { exchange, releases, preheating, hooks } = components;
  const settings = components.settings.of(app);
  const running = new RunningSettings({ settings, log });
  const where = { directory: directory.sockets, app, channel };
  const api = await openSettingsApi({ running, log }, where);
  if (api !== undefined) resources.use(api);
  const permits = await PermitBook.open(
    { durability, log, fleetTimeMs: fleetTimeMs ?? (() => undefined) },
    { path: directory.permits(app, channel) },
  );
  const onChange = () => {
    follower.reporter.changed();
  };
  const activation = new Activation(
    { durability, log, now: () => new Date(), random, running, onChange },
    {
      directory: directory.channel(app, channel),
      app,
      channel,
      supplies: settings,
      settingsSocket: api?.socketPath,
      keepGenerations: config.keepGenerations,
      config: config.activation,
    },
  );
  resources.use(activation);
  const follower: Follower = new Follower(
    { releases, exchange, activation, settings, permits, log },
    {
      app,
      channel,
      hasFleet: fleetTimeMs !== undefined,
      preheated: () => preheating.wholeOf(app),
      onEvent: (event) => onEvent?.({ app, channel, ...event }),
      ...hooks,
    },
  );
  return { follower, settings: { app, channel, running, api } };
}
