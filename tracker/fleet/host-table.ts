import type { FastifyBaseLogger } from 'fastify';
import type * as z from 'zod';
import type { ChannelReport, Clock, HostSession } from '../../src/control/index.ts';
import type { HostView } from '../../src/policy/index.ts';
import { matchesApp } from '../../src/trust/sealed.ts';
import type { Entry, Store } from '../store/index.ts';
import { parseEntry } from './entries.ts';
import { noPins, pinsPrefix, pinsSchema, type Pins } from './host-pins.ts';
import { hostPrefix, hostRecordSchema, type HostRecord } from './host-records.ts';
import { HostWriter } from './host-writer.ts';
import { memberPrefix, memberSchema } from './records.ts';
import { TrackerPulse } from './tracker-pulse.ts';
import { Watches } from './watches.ts';

export interface HostTableComponents {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
}

export interface HostTableInit {
  /** Of this tracker, and of no other, also not of itself before it was started anew. */
  readonly trackerId: string;
  /** Whether other trackers have the same store. */
  readonly isShared: boolean;
  readonly timings?: Partial<HostTimings>;
}

export interface HostTimings {
  /** A host that comes back within this time was never away. */
  readonly graceMs: number;
  /** A tracker that says nothing for so long is dead, and nobody hears its hosts. */
  readonly deadAfterMs: number;
  readonly heartbeatMs: number;
  /** How often it is looked who is unreachable by now. */
  readonly lookMs: number;
  /** What is reported is gathered for so long before it is written. */
  readonly gatherMs: number;
}

export const defaultHostTimings: HostTimings = {
  graceMs: 3_000,
  deadAfterMs: 15_000,
  heartbeatMs: 3_000,
  lookMs: 1_000,
  gatherMs: 200,
};

/** A session with a host, as far as this is about it. */
export type HeardHost = Pick<HostSession, 'peerId' | 'hello'>;

export interface HostChange {
  /** Whether a session with this tracker has begun or ended. */
  readonly isSession: boolean;
}

/** Which hosts are to have which image before it is released. */
export interface PreheatTarget {
  readonly app: string;
  readonly imageId: string;
  readonly labels: Readonly<Record<string, string>>;
}

interface StoredHost {
  readonly record: HostRecord;
  readonly revision: number;
  /** When this tracker heard of it, by its own clock: those of other machines say something else. */
  readonly heardMs: number;
}

/**
 * What hosts reported last, and who is heard: of own sessions at once, of those that other trackers
 * have by the store. What is written is written for others, and for after a restart.
 */
export class HostTable implements AsyncDisposable {
  readonly #components: HostTableComponents;
  readonly #init: HostTableInit;
  readonly #timings: HostTimings;
  readonly #watches: Watches;
  readonly #pulse: TrackerPulse;
  readonly #writer: HostWriter;
  readonly #members = new Map<string, KnownMember>();
  readonly #pins = new Map<string, Pins>();
  readonly #stored = new Map<string, StoredHost>();
  /** Hosts with a session here. */
  readonly #own = new Map<string, HostRecord>();
  readonly #sessions = new Map<string, HeardHost>();
  readonly #listeners = new Set<(change: HostChange) => void>();
  #unreachable = '';
  #looking: NodeJS.Timeout | undefined;

  private constructor(components: HostTableComponents, init: HostTableInit) {
    this.#components = components;
    this.#init = init;
    this.#timings = { ...defaultHostTimings, ...init.timings };
    // Then who decides is to give that up.
    const onBlind = () => {
      this.#tell();
    };
    this.#watches = new Watches(components, { onBlind });
    this.#pulse = new TrackerPulse(
      { ...components, watches: this.#watches },
      { ...init, ...this.#timings },
    );
    this.#writer = new HostWriter(components, {
      gatherMs: this.#timings.gatherMs,
      recordOf: (peerId) => this.#toWrite(peerId),
    });
  }

  /** Knows all that the store has when it is there. */
  static async open(components: HostTableComponents, init: HostTableInit): Promise<HostTable> {
    const table = new HostTable(components, init);
    const whole = [
      table.#follow(hostPrefix, table.#stored, (peerId, change) => {
        table.#onHost(peerId, change);
      }),
      table.#follow(memberPrefix, table.#members, (peerId, change) => {
        table.#members.set(peerId, parseEntry(knownMemberSchema, change));
      }),
      table.#follow(pinsPrefix, table.#pins, (peerId, change) => {
        // Whom a newer tracker has fixed in a way that is not known here stays as it is.
        table.#pins.set(peerId, { ...noPins, isHeld: true });
        table.#pins.set(peerId, parseEntry(knownPinsSchema, change));
      }),
      table.#pulse.start(),
    ];
    await Promise.all(whole);
    table.#looking = setInterval(() => {
      table.#look();
    }, table.#timings.lookMs).unref();
    return table;
  }

  /** The hosts that have a session with this tracker. */
  get own(): ReadonlySet<string> {
    return new Set(this.#own.keys());
  }

  /** The sessions with this tracker, by peer id. */
  get sessions(): ReadonlyMap<string, HeardHost> {
    return this.#sessions;
  }

  /** What this tracker does not hear of now: then it must not decide anything by what it knows of hosts. */
  get blind(): readonly string[] {
    return this.#watches.blind;
  }

  /** Whether a host has a session with a tracker that lives. */
  isConnected(peerId: string): boolean {
    const record = this.#record(peerId);
    if (record?.isHere !== true) return false;
    return this.#own.has(peerId) || this.#pulse.deadSinceMs(record.tracker) === undefined;
  }

  /** Tells whenever something that a rollout is decided by may have changed. @returns what stops it */
  onChange(listener: (change: HostChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A session with this tracker has begun or ended. One that a newer one has replaced may end after that began. */
  onSession(session: HeardHost, isHere: boolean): void {
    if (isHere) this.#begin(session);
    else if (this.#sessions.get(session.peerId) === session) this.#end(session);
    this.#tell({ isSession: true });
  }

  #begin(session: HeardHost): void {
    const { peerId, hello } = session;
    const known = this.#record(peerId);
    const follows = new Set(hello.follows.map(keyOf));
    this.#sessions.set(peerId, session);
    this.#own.set(peerId, {
      tracker: this.#init.trackerId,
      isHere: true,
      sinceMs: this.#now(),
      follows: hello.follows,
      channels: (known?.channels ?? []).filter((report) => follows.has(keyOf(report))),
    });
    this.#writer.add(peerId);
  }

  #end({ peerId }: HeardHost): void {
    const known = this.#own.get(peerId);
    const stored = this.#stored.get(peerId)?.record;
    this.#sessions.delete(peerId);
    this.#own.delete(peerId);
    if (known === undefined) return;
    // Another tracker has it, or had it last: it says how it is.
    if (stored !== undefined && stored.tracker !== this.#init.trackerId) return;
    this.#setGone(peerId, known);
  }

  onReport({ peerId }: Pick<HeardHost, 'peerId'>, message: { channels: ChannelReport[] }): void {
    const record = this.#own.get(peerId);
    if (record === undefined) return;
    const follow = new Set(record.follows.map(keyOf));
    const channels = new Map(record.channels.map((report) => [keyOf(report), report]));
    let isNew = false;
    for (const report of message.channels) {
      const before = channels.get(keyOf(report));
      if (!follow.has(keyOf(report)) || report.number < (before?.number ?? 0)) continue;
      channels.set(keyOf(report), report);
      isNew ||= !isSame(before, report);
    }
    this.#own.set(peerId, { ...record, channels: [...channels.values()] });
    if (isNew) this.#writer.add(peerId);
    this.#tell();
  }

  /**
   * All members that follow a channel.
   * @param imageId of the release that is meant
   * @throws StoreError STORE_FAILED while changes are not heard: who decides by old ones does harm
   */
  fleet(app: string, channel: string, imageId: string): HostView[] {
    this.#watches.check();
    const views: HostView[] = [];
    for (const member of this.#members.values()) {
      const record = this.#record(member.peerId);
      if (record === undefined || !isAllowed(member, app)) continue;
      if (!record.follows.some((one) => one.app === app && one.channel === channel)) continue;
      const report = record.channels.find((one) => one.app === app && one.channel === channel);
      const { isHeld, pins } = this.#pins.get(member.peerId) ?? noPins;
      views.push({
        id: member.peerId,
        labels: member.labels,
        pin: Object.hasOwn(pins, app) ? pins[app] : undefined,
        isHeld,
        unreachableSinceMs: this.#unreachableSinceMs(member.peerId),
        report: report && reportOf(report, imageId),
      });
    }
    return views;
  }

  /** Whether a peer is a member that a preheat means. */
  isMeant(peerId: string, { app, labels }: PreheatTarget): boolean {
    const member = this.#members.get(peerId);
    if (member === undefined || !isAllowed(member, app)) return false;
    return Object.entries(labels).every(([name, value]) => member.labels[name] === value);
  }

  /** The members that a preheat means, heard of or not, and whether they have the image. */
  preheated(target: PreheatTarget): { isComplete: boolean; isUnreachable: boolean }[] {
    const { app, imageId } = target;
    const meant = [...this.#members.keys()].filter((peerId) => this.isMeant(peerId, target));
    return meant.map((peerId) => {
      const record = this.#record(peerId);
      const isComplete = record?.channels.some((report) => hasImage(report, app, imageId)) === true;
      const isUnreachable = record === undefined || this.#unreachableSinceMs(peerId) !== undefined;
      return { isComplete, isUnreachable };
    });
  }

  #record(peerId: string): HostRecord | undefined {
    return this.#own.get(peerId) ?? this.#stored.get(peerId)?.record;
  }

  /** By this tracker's clock. */
  #unreachableSinceMs(peerId: string): number | undefined {
    const stored = this.#stored.get(peerId);
    if (this.#own.has(peerId) || stored === undefined) return undefined;
    const { record, heardMs } = stored;
    if (record.isHere) return this.#pulse.deadSinceMs(record.tracker);
    return this.#now() - heardMs >= this.#timings.graceMs ? heardMs : undefined;
  }

  /** What is to be written of a host, and whether another tracker may have been first. */
  #toWrite(peerId: string): { record: HostRecord; revision: number | undefined } | undefined {
    // Its session may end after it was revoked, and what the store had of it is gone.
    if (this.#members.get(peerId)?.state === 'revoked') return undefined;
    const own = this.#own.get(peerId);
    if (own !== undefined) return { record: own, revision: undefined };
    const stored = this.#stored.get(peerId);
    if (stored?.record.tracker !== this.#init.trackerId) return undefined;
    return { record: stored.record, revision: stored.revision };
  }

  /**
   * What will be written stands before what was; the revision is still that of the store, so that nothing is
   * written over what another tracker has written meanwhile.
   */
  #setGone(peerId: string, record: HostRecord): void {
    const nowMs = this.#now();
    const { revision = 0 } = this.#stored.get(peerId) ?? {};
    const gone = { ...record, isHere: false, sinceMs: nowMs };
    this.#stored.set(peerId, { record: gone, revision, heardMs: nowMs });
    this.#writer.add(peerId);
  }

  #onHost(peerId: string, entry: Entry): void {
    const { revision } = entry;
    const record = parseEntry(hostRecordSchema, entry);
    const before = this.#stored.get(peerId);
    const isWrittenHere = record.tracker === this.#init.trackerId;
    // Of what this tracker has written itself it knows better.
    if (isWrittenHere && before?.record.isHere === false) {
      this.#stored.set(peerId, { ...before, revision });
      return;
    }
    this.#stored.set(peerId, { record, revision, heardMs: this.#now() });
    const isOwn = this.#own.has(peerId);
    if (isWrittenHere && record.isHere && !isOwn) this.#setGone(peerId, record);
    else if (isOwn && !isWrittenHere && !record.isHere) this.#writer.add(peerId);
  }

  /** @returns when all that there is now is known */
  #follow(
    prefix: string,
    known: Map<string, unknown>,
    onPut: (peerId: string, entry: Entry) => void,
  ): Promise<void> {
    return this.#watches.follow(prefix, {
      onWhole: () => {
        known.clear();
      },
      onChange: ({ key, value, revision }) => {
        const peerId = key.slice(prefix.length);
        if (value === undefined) known.delete(peerId);
        else onPut(peerId, { key, value, revision });
      },
      onBatch: () => {
        this.#tell();
      },
    });
  }

  /** Time alone makes hosts unreachable, and trackers dead: a host that came from one is written as here. */
  #look(): void {
    for (const peerId of this.#own.keys()) {
      const tracker = this.#stored.get(peerId)?.record.tracker;
      if (tracker !== undefined && this.#pulse.deadSinceMs(tracker) !== undefined) {
        this.#writer.add(peerId);
      }
    }
    const ids = [...this.#members.keys()].filter(
      (peerId) => this.#unreachableSinceMs(peerId) !== undefined,
    );
    const unreachable = ids.join(' ');
    if (unreachable === this.#unreachable) return;
    this.#unreachable = unreachable;
    this.#tell();
  }

  #tell(change: HostChange = { isSession: false }): void {
    for (const listener of this.#listeners) listener(change);
  }

  #now(): number {
    return this.#components.clock.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#looking);
    await this.#writer[Symbol.asyncDispose]();
    await this.#pulse[Symbol.asyncDispose]();
    await this.#watches[Symbol.asyncDispose]();
  }
}

const keyOf = ({ app, channel }: { app: string; channel: string }): string => `${app}/${channel}`;

/** Read only here: what a newer tracker says beside it does no harm. */
const knownMemberSchema = memberSchema.strip();
const knownPinsSchema = pinsSchema.strip();
type KnownMember = z.output<typeof knownMemberSchema>;

const isAllowed = ({ state, roles, apps }: KnownMember, app: string): boolean =>
  state === 'member' && roles.includes('host') && apps.some((pattern) => matchesApp(pattern, app));

/** Whether two reports say the same, whichever was the later one. */
const isSame = (one: ChannelReport | undefined, other: ChannelReport): boolean =>
  JSON.stringify({ ...one, number: 0 }) === JSON.stringify({ ...other, number: 0 });

const hasImage = (report: ChannelReport, app: string, imageId: string): boolean =>
  report.app === app &&
  (report.prefetched === imageId ||
    (report.release === imageId && report.state !== 'empty') ||
    report.preheated?.includes(imageId) === true);

const reportOf = (
  { number, epoch, acted, release, state, prefetched, unmet, reason }: ChannelReport,
  imageId: string,
): NonNullable<HostView['report']> => ({
  number,
  epoch,
  acted,
  ...(release === undefined ? {} : { release }),
  state,
  isPrefetched: prefetched === imageId || release === imageId,
  ...(unmet !== undefined && prefetched === imageId ? { unmet } : {}),
  ...(reason === undefined ? {} : { reason }),
});
