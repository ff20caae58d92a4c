import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../../src/control/index.ts';
import { isStarlingError, type StarlingError } from '../../src/errors.ts';
import type { Release } from '../../src/trust/index.ts';
import type { Expectation, Store } from '../store/index.ts';
import type { HostTable } from './host-table.ts';
import type { ChannelRollouts, RolloutTable } from './rollout-table.ts';
import { recordOf, takeRelease, takeTurn, type Turn } from './rollout-turn.ts';

export interface RolloutLeaderComponents {
  readonly store: Store;
  readonly table: RolloutTable;
  readonly hosts: HostTable;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
  /** The newest release of each channel, as this tracker knows it. */
  readonly releases: () => readonly Release[];
}

export interface RolloutLeaderInit {
  /** What hosts report is gathered for so long before it is decided about it. */
  readonly gatherMs: number;
  /** What could not be stored is decided again after this time. */
  readonly againMs: number;
  /** Something was stored. */
  readonly onStored: () => void;
}

const electionName = 'rollouts';
/** A longer time than this is slept in parts. */
const longestSleepMs = 3_600_000;
/** Others may be first so often in a row; then it is the next round's turn. */
const mostTries = 10;

/** Of all trackers of a store one decides about rollouts: this one, whenever it is elected. */
export class RolloutLeader implements AsyncDisposable {
  readonly #components: RolloutLeaderComponents;
  readonly #init: RolloutLeaderInit;
  readonly #closing = new AbortController();
  readonly #unreadable = new Set<string>();
  #running: Promise<void> | undefined;
  #isKicked = false;
  #wake: () => void = () => undefined;
  #isLeading = false;

  constructor(components: RolloutLeaderComponents, init: RolloutLeaderInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Whether this tracker decides, as far as it knows. */
  get isLeading(): boolean {
    return this.#isLeading;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Something that is decided by may have changed. */
  kick(): void {
    this.#isKicked = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await this.#components.store.elect(electionName, {
          signal,
          onElected: (elected, fence) => this.#lead(elected, fence),
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#components.log.error({ err: error }, 'deciding about rollouts has failed');
      }
      // Also a store that is closed ends an election, at once.
      if (!signal.aborted) await pause(this.#init.againMs, signal);
    }
  }

  async #lead(signal: AbortSignal, fence: Expectation): Promise<void> {
    this.#components.log.info('this tracker decides about rollouts now');
    this.#isLeading = true;
    try {
      while (!signal.aborted) {
        this.#isKicked = false;
        const againAtMs = await this.#round(signal, fence);
        if (signal.aborted) break;
        await this.#sleep(againAtMs, signal);
        if (this.#isKicked) await pause(this.#init.gatherMs, signal);
      }
    } catch (error) {
      if (!(error instanceof LeadershipLost)) throw error;
    } finally {
      this.#isLeading = false;
    }
  }

  /** Decides about all channels. @returns when to do so again */
  async #round(signal: AbortSignal, fence: Expectation): Promise<number | undefined> {
    const { table, releases, hosts, clock } = this.#components;
    const times: number[] = [];
    const turns: [app: string, channel: string, action: string, decide: Decide][] = [
      ...releases().map((release): (typeof turns)[number] => [
        release.app,
        release.channel,
        'rollout.release',
        (before) => this.#takeRelease(before, release),
      ]),
    ];
    for (const turn of turns) {
      if (!signal.aborted) times.push(await this.#settle(...turn, fence));
    }
    for (const { app, channel } of table.all) {
      if (signal.aborted) break;
      const decide: Decide = (before) => {
        const others = table.all.filter((one) => one.app === app && one.channel !== channel);
        return before && takeTurn(hosts, before, others, clock.now());
      };
      times.push(await this.#settle(app, channel, 'rollout.progress', decide, fence));
    }
    const next = Math.min(Infinity, ...times);
    return next === Infinity ? undefined : next;
  }

  #takeRelease(before: ChannelRollouts | undefined, release: Release): Turn | undefined {
    const { hosts, clock, log } = this.#components;
    try {
      return takeRelease(hosts, before, release, clock.now());
    } catch (error) {
      if (!isStarlingError(error) || error.code !== 'CONFIG_INVALID') throw error;
      const { app, channel, release: number } = release;
      const name = `${app}/${channel}/${number}`;
      if (!this.#unreadable.has(name)) {
        log.error({ err: error, app, channel, release: number }, 'a plan can not be read');
      }
      this.#unreadable.add(name);
      return undefined;
    }
  }

  /** Decides about one channel and stores that. @returns when to decide about it again */
  async #settle(
    app: string,
    channel: string,
    action: string,
    decide: Decide,
    fence: Expectation,
  ): Promise<number> {
    const { table, clock, log } = this.#components;
    let before = table.get(app, channel);
    for (let tries = 1; tries <= mostTries; tries++) {
      const turn = decide(before);
      if (turn === undefined) return Infinity;
      if (!turn.isChanged) return turn.lookAgainAtMs ?? Infinity;
      const { after, events, superseding } = turn;
      const isNew = after.rollout.head.number !== before?.rollout.head.number;
      const isTold = events.length > 0 || isNew || superseding !== undefined;
      const entry = isTold ? recordOf(action, after, events, undefined, superseding) : undefined;
      try {
        await table.commit({ before, after, record: entry, fence });
        this.#init.onStored();
        return turn.lookAgainAtMs ?? Infinity;
      } catch (error) {
        const code = isStarlingError(error) ? error.code : undefined;
        if (code === 'STORE_CONFLICT' && isAbout(error as StarlingError, fence.key)) {
          throw new LeadershipLost();
        }
        if (code !== 'STORE_CONFLICT' && code !== 'STORE_FAILED') {
          log.warn({ err: error, app, channel }, 'what was decided can not be stored');
          return clock.now() + this.#init.againMs;
        }
        log.debug({ err: error, app, channel }, 'somebody else was first');
      }
      before = await table.read(app, channel);
    }
    return clock.now() + this.#init.againMs;
  }

  /** Waits for a time, or until something has changed. */
  async #sleep(untilMs: number | undefined, signal: AbortSignal): Promise<void> {
    if (this.#isKicked) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#wake = () => resolve(undefined);
    const ms = Math.max(0, (untilMs ?? Infinity) - this.#components.clock.now());
    const timer = setTimeout(this.#wake, Math.min(ms, longestSleepMs)).unref();
    signal.addEventListener('abort', this.#wake, { once: true });
    await promise;
    signal.removeEventListener('abort', this.#wake);
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#wake();
    await this.#running;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = () => resolve(undefined);
  const timer = setTimeout(end, ms).unref();
  signal.addEventListener('abort', end, { once: true });
  await promise;
  signal.removeEventListener('abort', end);
  clearTimeout(timer);
}

/** Another tracker was elected, and nothing was stored. */
class LeadershipLost extends Error {}

type Decide = (before: ChannelRollouts | undefined) => Turn | undefined;

const isAbout = ({ evidence }: StarlingError, key: string): boolean =>
  Array.isArray(evidence.keys) && evidence.keys.includes(key);
