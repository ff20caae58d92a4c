import type { FastifyBaseLogger } from 'fastify';
import type { Clock, Permit } from '../../src/control/index.ts';
import { permitFor } from '../../src/policy/index.ts';
import type { ChannelRollouts, RolloutTable } from './rollout-table.ts';

export interface PermitSenderComponents {
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
 * Tells the hosts of this tracker what they may do, by the rollouts as the store has them at that moment:
 * each time the store is asked first. So what was stopped is not renewed by a tracker that has not
 * heard of it, and a permit ends `permitLeaseMs` after the moment at which it was known to hold.
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
      const told = permitsOf(channel, own, clock.now());
      if (told.length === 0) continue;
      isAnythingOpen = true;
      // A newer state is told of by the watch, which kicks then.
      if (!(await table.isCurrent(channel))) continue;
      for (const { peerId, permit } of told) {
        byHost.set(peerId, [...(byHost.get(peerId) ?? []), permit]);
      }
    }
    if (this.#isClosed) return false;
    for (const [peerId, permits] of byHost) this.#init.send(peerId, permits);
    return isAnythingOpen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }
}

/** Of what several rollouts of a channel would tell a host only the newest counts. */
function permitsOf(
  { app, channel, rollout, earlier }: ChannelRollouts,
  own: ReadonlySet<string>,
  nowMs: number,
): { readonly peerId: string; readonly permit: Permit }[] {
  const told: { peerId: string; permit: Permit }[] = [];
  const newestFirst = [rollout, ...earlier.toReversed()];
  for (const peerId of own) {
    for (const { state } of newestFirst) {
      const permit = permitFor(state, peerId, nowMs);
      if (permit === undefined) continue;
      const { release, action, epoch } = permit;
      const validUntil = new Date(permit.validUntilMs).toISOString();
      told.push({ peerId, permit: { app, channel, release, action, epoch, validUntil } });
      break;
    }
  }
  return told;
}
