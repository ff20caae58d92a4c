import type { FastifyBaseLogger } from 'fastify';
import type { Clock, Permit } from '../../src/control/index.ts';
import { permitFor, type FixableHost } from '../../src/policy/index.ts';
import type { ReadStore } from '../store/index.ts';
import { listAll, parseEntry } from './entries.ts';
import { noPins, pinsPrefix, pinsSchema, type Pins } from './host-pins.ts';
import type { ChannelRollouts, RolloutTable } from './rollout-table.ts';

export interface PermitSenderComponents {
  readonly store: ReadStore;
  readonly table: RolloutTable;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
  /** The hosts that have a session with this tracker. */
  readonly hosts: () => ReadonlySet<string>;
}

export interface PermitSenderInit {
  readonly send: (peerId: string, permits: readonly Permit[]) => void;
  /** A permit that holds is given anew so often. */
  readonly renewMs: number;
}

/**
 * Tells the hosts of this tracker what they may do, by the rollouts and pins as the store has them at
 * that moment: each time the store is asked first. So what was stopped is not renewed by a tracker that
 * has not heard of it, nor while nobody decides; and a permit ends `permitLeaseMs` after the moment at which it was known to hold.
 */
export class PermitSender implements AsyncDisposable {
  readonly #components: PermitSenderComponents;
  readonly #init: PermitSenderInit;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isDue = false;
  #isClosed = false;

  constructor(components: PermitSenderComponents, init: PermitSenderInit) {
    this.#components = components;
    this.#init = init;
  }

  /** A rollout has changed, or a host has come. */
  kick(): void {
    if (this.#isClosed) return;
    this.#isDue = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    while (this.#isDue && !this.#isClosed) {
      this.#isDue = false;
      clearTimeout(this.#timer);
      try {
        if (!(await this.#sendAll())) continue;
      } catch (error) {
        this.#components.log.warn({ err: error }, 'permits can not be renewed: nothing is known');
      }
      this.#timer = setTimeout(() => {
        this.kick();
      }, this.#init.renewMs).unref();
    }
  }

  /** @returns whether there is anything to be told anew */
  async #sendAll(): Promise<boolean> {
    const { table, clock, hosts } = this.#components;
    const own = hosts();
    const byHost = new Map<string, Permit[]>();
    let isAnythingOpen = false;
    for (const channel of table.all) {
      // By what the host is told when it asks for the time: a date can be set, and that may be while it is asked.
      const nowMs = clock.uptime();
      // Who is not told to activate may be so when it is let go again.
      if (permitsOf(channel, own, allFree, nowMs).length === 0) continue;
      isAnythingOpen = true;
      const fixed = await this.#fixedIn(channel.app);
      // A newer state is told of by the watch, which kicks then.
      if (!(await table.isCurrent(channel))) continue;
      const told = permitsOf(channel, own, fixed, nowMs);
      for (const { peerId, permit } of told) {
        byHost.set(peerId, [...(byHost.get(peerId) ?? []), permit]);
      }
    }
    if (this.#isClosed) return false;
    for (const [peerId, permits] of byHost) this.#init.send(peerId, permits);
    return isAnythingOpen;
  }

  /** What operators have fixed of hosts by now, for an app. */
  async #fixedIn(app: string): Promise<FixedHosts> {
    const pinned = new Map<string, Pins>();
    for (const entry of await listAll(this.#components.store, pinsPrefix)) {
      pinned.set(entry.key.slice(pinsPrefix.length), parseEntry(pinsSchema, entry));
    }
    return (peerId) => {
      const { isHeld, pins } = pinned.get(peerId) ?? noPins;
      return { isHeld, pin: Object.hasOwn(pins, app) ? pins[app] : undefined };
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }
}

type FixedHosts = (peerId: string) => FixableHost;
const allFree: FixedHosts = () => ({ isHeld: false, pin: undefined });

/** Of what several rollouts of a channel would tell a host only the newest counts. */
function permitsOf(
  { app, channel, rollout, earlier }: ChannelRollouts,
  own: ReadonlySet<string>,
  fixed: FixedHosts,
  nowMs: number,
): { readonly peerId: string; readonly permit: Permit }[] {
  const told: { peerId: string; permit: Permit }[] = [];
  const newestFirst = [rollout, ...earlier.toReversed()];
  for (const peerId of own) {
    for (const { state } of newestFirst) {
      const permit = permitFor(state, { id: peerId, ...fixed(peerId) }, nowMs);
      if (permit === undefined) continue;
      const { release, action, epoch } = permit;
      const validUntil = new Date(permit.validUntilMs).toISOString();
      told.push({ peerId, permit: { app, channel, release, action, epoch, validUntil } });
      break;
    }
  }
  return told;
}
