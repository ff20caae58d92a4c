import type { FastifyBaseLogger } from 'fastify';
import type { Clock, Permit } from '../../src/control/index.ts';
import {
  act,
  createRollout,
  parsePlan,
  previewRollout,
  type FleetView,
  type RolloutAction,
  type RolloutPreview,
} from '../../src/policy/index.ts';
import type { Release } from '../../src/trust/index.ts';
import type { AuditLog } from '../audit/index.ts';
import type { Store } from '../store/index.ts';
import { tryAgain } from './entries.ts';
import type { HostTable } from './host-table.ts';
import { PermitSender } from './permit-sender.ts';
import { RolloutLeader } from './rollout-leader.ts';
import { rolloutPrefix } from './rollout-records.ts';
import { RolloutTable, type ChannelRollouts } from './rollout-table.ts';
import { fleetOf, recordOf, withState } from './rollout-turn.ts';
import { Watches } from './watches.ts';

export interface RolloutDriverComponents {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly hosts: HostTable;
  readonly log: FastifyBaseLogger;
  /** The newest release of each channel, as this tracker knows it. */
  readonly releases: () => readonly Release[];
}

export interface RolloutDriverInit {
  /** Tells a host that has a session with this tracker what it may do. */
  readonly send: (peerId: string, permits: readonly Permit[]) => void;
  readonly gatherMs?: number;
  readonly renewMs?: number;
}

/** What an action led to. */
export type Acted =
  { readonly channel: ChannelRollouts } | { readonly refused: string } | undefined;

const defaultInit = { gatherMs: 50, renewMs: 1_000 };
const againMs = 500;

/**
 * Rollouts of the fleet. Each tracker tells its own hosts what the store says that they may do, and takes
 * the words of operators; the one that is elected decides.
 */
export class RolloutDriver implements AsyncDisposable {
  readonly #components: RolloutDriverComponents;
  readonly #table: RolloutTable;
  readonly #sender: PermitSender;
  readonly #leader: RolloutLeader;
  readonly #watches: Watches;
  readonly #resources = new AsyncDisposableStack();

  private constructor(components: RolloutDriverComponents, init: RolloutDriverInit) {
    this.#components = components;
    const { gatherMs, renewMs, send } = { ...defaultInit, ...init };
    this.#table = new RolloutTable(components);
    this.#watches = new Watches(components);
    this.#sender = new PermitSender(
      { ...components, table: this.#table, hosts: () => components.hosts.own },
      { send, renewMs },
    );
    this.#leader = new RolloutLeader(
      { ...components, table: this.#table },
      {
        gatherMs,
        againMs,
        onStored: () => {
          this.#sender.kick();
        },
      },
    );
  }

  /** It knows what the store has when it is there, and decides when it is elected. */
  static async open(
    components: RolloutDriverComponents,
    init: RolloutDriverInit,
  ): Promise<RolloutDriver> {
    const driver = new RolloutDriver(components, init);
    await driver.#start();
    return driver;
  }

  async #start(): Promise<void> {
    const { hosts } = this.#components;
    this.#resources.use(this.#watches);
    this.#resources.use(this.#sender);
    this.#resources.use(this.#leader);
    await this.#watches.keep(rolloutPrefix, async (isHeard, signal) => {
      const onChange = () => {
        isHeard();
        this.#sender.kick();
        this.#leader.kick();
      };
      await this.#table.follow(onChange, { signal });
    });
    const stop = hosts.onChange(({ isSession }) => {
      if (isSession) this.#sender.kick();
      this.#leader.kick();
    });
    this.#resources.defer(stop);
    this.#leader.start();
  }

  /** Whether this tracker is the one that decides, as far as it knows. */
  get isLeading(): boolean {
    return this.#leader.isLeading;
  }

  /** What this tracker does not hear of now. */
  get blind(): readonly string[] {
    return this.#watches.blind;
  }

  /** Releases have changed. */
  onReleases(): void {
    this.#leader.kick();
  }

  /** The newest rollout of each channel, by app and channel. */
  get all(): readonly ChannelRollouts[] {
    return this.#table.all;
  }

  get(app: string, channel: string): ChannelRollouts | undefined {
    return this.#table.get(app, channel);
  }

  /** The number of a release that came after a rollout, and has no plan; undefined: there is none. */
  supersededBy({ app, channel, rollout }: ChannelRollouts): number | undefined {
    const { releases } = this.#components;
    const last = releases().find((one) => one.app === app && one.channel === channel);
    const isNewer = last !== undefined && last.release > rollout.head.number;
    return isNewer && last.rollout === undefined ? last.release : undefined;
  }

  /** The hosts of a channel, as its newest rollout is decided by them. */
  fleetOf(channel: ChannelRollouts): FleetView {
    const ofApp = this.#table.all.filter(({ app }) => app === channel.app);
    return fleetOf(this.#components.hosts, channel, ofApp);
  }

  /**
   * Does what an operator says. When it returns it is stored: from then on nothing is permitted, nor any
   * permit renewed, that it forbids, by whatever tracker.
   * @returns undefined when the channel has no rollout
   * @throws StoreError when it can't be stored
   */
  async act(
    at: { readonly app: string; readonly channel: string },
    action: RolloutAction,
    actor: string,
  ): Promise<Acted> {
    return await tryAgain(async () => {
      const before = await this.#table.read(at.app, at.channel);
      if (before === undefined) return undefined;
      const nowMs = this.#components.clock.now();
      const result = act(before.rollout.state, action, nowMs);
      if ('refused' in result) return result;
      if (result.state === before.rollout.state) return { channel: before };
      const after = withState(before, before.rollout, result.state);
      const record = recordOf(`rollout.${action.type}`, after, result.events, actor);
      const channel = await this.#table.commit({ before, after, record });
      this.#leader.kick();
      this.#sender.kick();
      return { channel };
    });
  }

  /**
   * Which hosts would move in which wave, if the channel's next release had this plan.
   * @param imageId of what would be released; else that of the channel's last release
   * @throws ConfigError CONFIG_INVALID for what is no plan
   */
  preview(init: {
    readonly app: string;
    readonly channel: string;
    readonly plan: string;
    readonly imageId?: string | undefined;
  }): RolloutPreview {
    const { app, channel } = init;
    const { clock, hosts, releases } = this.#components;
    const last = releases().find((one) => one.app === app && one.channel === channel);
    const nowMs = clock.now();
    // One that nobody has yet stands for an image that is not released.
    const release = init.imageId ?? 'an image that is yet to be released';
    const state = createRollout({
      id: `${app}/${channel}/${(last?.release ?? 0) + 1}`,
      release,
      plan: parsePlan(init.plan),
      epoch: 0,
      nowMs,
    });
    return previewRollout(
      state,
      { hosts: hosts.fleet(app, channel, release), unavailable: [] },
      nowMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
