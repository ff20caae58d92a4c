import { setImmediate as nextTurn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { ActivatableImage } from '../../../fetcher/activation-types.ts';
import type { Activation } from '../../../fetcher/activation.ts';
import { Follower, type FollowerEvent } from '../../../fetcher/follower.ts';
import { PermitBook } from '../../../fetcher/fleet/permit-book.ts';
import type { ChannelReport, Permit } from '../../../src/control/index.ts';
import type { StoredImage } from '../../../src/image/index.ts';
import type { Exchange } from '../../../src/swarm/index.ts';
import type { Release } from '../../../src/trust/index.ts';
import { leaseMs, notDurable, t0 } from './fleet/permits.ts';
import {
  makeActivation,
  signal,
  silent,
  until,
  type ActivationSetting,
  type Place,
} from './fixture.ts';

export interface RolloutHostInit {
  readonly activation?: ActivationSetting;
  readonly hasFleet?: boolean;
}

/**
 * One channel of a host with a real activation. Releases, images and the time of its fleet come from
 * the test.
 */
export class RolloutHost {
  readonly follower: Follower;
  readonly permits: PermitBook;
  readonly activation: Activation;
  readonly reports: ChannelReport[] = [];
  readonly events: FollowerEvent[] = [];
  readonly left: string[] = [];
  readonly #world: World;

  private constructor(
    world: World,
    permits: PermitBook,
    activation: Activation,
    hasFleet: boolean,
  ) {
    this.#world = world;
    this.permits = permits;
    this.activation = activation;
    this.follower = new Follower(
      {
        releases: { releaseOf: () => Promise.resolve(world.release) },
        exchange: world.exchange,
        activation,
        settings: world.settings,
        permits,
        log: silent,
      },
      {
        app: 'web',
        channel: 'stable',
        hasFleet,
        preheated: () => [],
        onEvent: (event) => this.events.push(event),
        onActivated: () => Promise.resolve(),
        onLeft: (imageId) => {
          this.left.push(imageId);
          return Promise.resolve();
        },
      },
    );
  }

  static async open(
    place: Place,
    world: World,
    { activation: setting = {}, hasFleet = true }: RolloutHostInit = {},
  ): Promise<RolloutHost> {
    const permits = await PermitBook.open(
      { durability: notDurable, log: silent, fleetTimeMs: () => world.nowMs },
      { path: `${place.root}/permits.json` },
    );
    const holder: { host?: RolloutHost } = {};
    const activation = makeActivation(place, {
      ...setting,
      components: {
        durability: notDurable,
        onChange: () => holder.host?.follower.reporter.changed(),
        ...setting.components,
      },
    });
    const host = new RolloutHost(world, permits, activation, hasFleet);
    holder.host = host;
    host.follower.reporter.onChange((report) => host.reports.push(report));
    onTestFinished(() => host.follower.stop());
    await host.follower.open({ signal });
    return host;
  }

  /** Looks for the release that the channel names now. */
  async follow(image: ActivatableImage, rollout?: string): Promise<void> {
    this.#world.publish(image, rollout);
    await this.follower.look({ signal });
  }

  /** A tracker says something, with a lease from now on; returns when it was heard. */
  async tell(epoch: number, action: Permit['action'], image: ActivatableImage): Promise<void> {
    this.follower.onPermits([
      {
        app: 'web',
        channel: 'stable',
        release: image.imageId,
        action,
        epoch,
        validUntil: new Date(this.#world.nowMs + leaseMs).toISOString(),
      },
    ]);
    await until(`epoch ${epoch} is heard`, () => this.permits.heard >= epoch);
    await nextTurn();
  }

  /** Waits for a report that says so much as its last one. */
  async reported(expected: Partial<ChannelReport>): Promise<ChannelReport> {
    return await until(`${JSON.stringify(expected)} is reported`, () => {
      const last = this.reports.at(-1);
      const isAsExpected = Object.entries(expected).every(
        ([name, value]) => last?.[name as keyof ChannelReport] === value,
      );
      return isAsExpected ? last : undefined;
    });
  }

  async state(state: string): Promise<void> {
    await until(`it is ${state}`, () => this.follower.status().state === state);
  }
}

/** What is released, and what time it is. */
export class World {
  nowMs = t0;
  release: Release | undefined;
  readonly #images = new Map<string, ActivatableImage>();
  #settingsChanged = Promise.withResolvers<undefined>();

  publish(image: ActivatableImage, rollout: string | undefined): void {
    this.#images.set(image.imageId, image);
    this.release = {
      app: 'web',
      channel: 'stable',
      imageId: image.imageId,
      infoHash: '0'.repeat(64),
      infoBytes: 100,
      release: image.release,
      version: image.version,
      ...(rollout === undefined ? {} : { rollout }),
    };
  }

  /** Every image is here as soon as it is asked for. */
  get exchange(): Pick<Exchange, 'fetch' | 'leave'> {
    return {
      fetch: (imageId) => {
        const stored = { imageId, tree: this.#images.get(imageId)?.tree } as StoredImage;
        const swarm = { completed: Promise.resolve(stored), status: () => ({ reusedBytes: 0 }) };
        return swarm as unknown as ReturnType<Exchange['fetch']>;
      },
      leave: () => Promise.resolve(),
    };
  }

  changeSettings(): void {
    this.#settingsChanged.resolve(undefined);
    this.#settingsChanged = Promise.withResolvers();
  }

  get settings(): { readonly changed: Promise<undefined> } {
    const changed = () => this.#settingsChanged.promise;
    return {
      get changed() {
        return changed();
      },
    };
  }
}
