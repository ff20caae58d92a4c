import type { FastifyBaseLogger } from 'fastify';
import type { ChannelReport, Clock, HostSession } from '../../src/control/index.ts';
import type { HostView } from '../../src/policy/index.ts';
import { matchesApp } from '../../src/trust/sealed.ts';
import type { Change, Store } from '../store/index.ts';
import { parseEntry } from './entries.ts';
import { noPins, pinsPrefix, pinsSchema, type Pins } from './host-pins.ts';
import { hostPrefix, hostRecordSchema, type HostRecord } from './host-records.ts';
import { HostWriter } from './host-writer.ts';
import { memberPrefix, memberSchema, type Member } from './records.ts';
import { TrackerPulse } from './tracker-pulse.ts';

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
}

/**
 * What hosts reported last, and who is heard: of own sessions at once, of those that other trackers
 * have by the store. What is written is written for others, and for after a restart.
 */
export class HostTable implements AsyncDisposable {
  readonly #components: HostTableComponents;
  readonly #init: HostTableInit;
  readonly #timings: HostTimings;
  readonly #closing = new AbortController();
  readonly #pulse: TrackerPulse;
  readonly #writer: HostWriter;
  readonly #members = new Map<string, Member>();
  readonly #pins = new Map<string, Pins>();
  readonly #stored = new Map<string, StoredHost>();
  /** Hosts with a session here. */
  readonly #own = new Map<string, HostRecord>();
  readonly #sessions = new Map<string, HeardHost>();
  readonly #listeners = new Set<(change: HostChange) => void>();
  readonly #watching: Promise<void>[] = [];
  #unreachable = '';
  #looking: NodeJS.Timeout | undefined;

  private constructor(components: HostTableComponents, init: HostTableInit) {
    this.#components = components;
    this.#init = init;
    this.#timings = { ...defaultHostTimings, ...init.timings };
    this.#pulse = new TrackerPulse(components, { ...init, ...this.#timings });
    this.#writer = new HostWriter(components, {
      gatherMs: this.#timings.gatherMs,
      recordOf: (peerId) => this.#toWrite(peerId),
    });
  }

  /** Knows all that the store has when it is there. */
  static async open(components: HostTableComponents, init: HostTableInit): Promise<HostTable> {
    const table = new HostTable(components, init);
    const whole = [
      table.#watch(hostPrefix, table.#stored, (change) => {
        table.#onHost(change);
      }),
      table.#watch(memberPrefix, table.#members, (change) => {
        const member = parseEntry(memberSchema, { ...change, value: change.value ?? '' });
        table.#members.set(member.peerId, member);
      }),
      table.#watch(pinsPrefix, table.#pins, (change) => {
        const pins = parseEntry(pinsSchema, { ...change, value: change.value ?? '' });
        table.#pins.set(change.key.slice(pinsPrefix.length), pins);
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
    // Another tracker has it already: it says how it is.
    const isElsewhere = stored !== undefined && stored.tracker !== this.#init.trackerId;
    if (isElsewhere && stored.sinceMs >= known.sinceMs) return;
    this.#setStored(peerId, { ...known, isHere: false, sinceMs: this.#now() });
    this.#writer.add(peerId);
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

  /** All members that follow a channel. @param imageId of the release that is meant */
  fleet(app: string, channel: string, imageId: string): HostView[] {
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
        unreachableSinceMs: this.#unreachableSinceMs(member.peerId, record),
        report: report && reportOf(report, imageId),
      });
    }
    return views;
  }

  /** The members that a preheat means, heard of or not, and whether they have the image. */
  preheated({
    app,
    imageId,
    labels,
  }: PreheatTarget): { peerId: string; isComplete: boolean; isUnreachable: boolean }[] {
    const meant = [...this.#members.values()].filter(
      (member) =>
        isAllowed(member, app) &&
        Object.entries(labels).every(([name, value]) => member.labels[name] === value),
    );
    return meant.map(({ peerId }) => {
      const record = this.#record(peerId);
      const isComplete = record?.channels.some((report) => hasImage(report, app, imageId)) === true;
      const isUnreachable =
        record === undefined || this.#unreachableSinceMs(peerId, record) !== undefined;
      return { peerId, isComplete, isUnreachable };
    });
  }

  #record(peerId: string): HostRecord | undefined {
    return this.#own.get(peerId) ?? this.#stored.get(peerId)?.record;
  }

  #unreachableSinceMs(peerId: string, record: HostRecord): number | undefined {
    if (this.#own.has(peerId)) return undefined;
    if (record.isHere) return this.#pulse.deadSinceMs(record.tracker);
    const isNoticed = this.#now() - record.sinceMs >= this.#timings.graceMs;
    return isNoticed ? record.sinceMs : undefined;
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

  /** What will be written stands before what was; the revision is still that of the store. */
  #setStored(peerId: string, record: HostRecord): void {
    this.#stored.set(peerId, { record, revision: this.#stored.get(peerId)?.revision ?? 0 });
  }

  #onHost({ key, value = '', revision }: Change): void {
    const peerId = key.slice(hostPrefix.length);
    const record = parseEntry(hostRecordSchema, { key, value, revision });
    const before = this.#stored.get(peerId)?.record;
    // Of what this tracker has written itself it knows better.
    const isOwnOlder = record.tracker === this.#init.trackerId && before?.isHere === false;
    this.#stored.set(peerId, { record: isOwnOlder ? before : record, revision });
  }

  /** @returns when all that there is now is known */
  #watch(
    prefix: string,
    known: Map<string, unknown>,
    onPut: (change: Change) => void,
  ): Promise<void> {
    const { signal } = this.#closing;
    const { store, log } = this.#components;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const watching = (async () => {
      for await (const batch of store.watch(prefix, { signal })) {
        if (batch.isWhole) known.clear();
        for (const change of batch) {
          if (change.value === undefined) known.delete(change.key.slice(prefix.length));
          else onPut(change);
        }
        resolve(undefined);
        this.#tell();
      }
    })().catch((error: unknown) => {
      reject(error);
      if (!signal.aborted) log.error({ err: error, prefix }, 'a watch has ended');
    });
    this.#watching.push(watching);
    return promise;
  }

  /** Time alone makes hosts unreachable. */
  #look(): void {
    const ids: string[] = [];
    for (const peerId of this.#members.keys()) {
      const record = this.#record(peerId);
      if (record && this.#unreachableSinceMs(peerId, record) !== undefined) ids.push(peerId);
    }
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
    this.#closing.abort();
    await this.#pulse[Symbol.asyncDispose]();
    await Promise.all(this.#watching);
  }
}

const keyOf = ({ app, channel }: { app: string; channel: string }): string => `${app}/${channel}`;

const isAllowed = ({ state, roles, apps }: Member, app: string): boolean =>
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
  { number, epoch, acted, release, state, prefetched }: ChannelReport,
  imageId: string,
): NonNullable<HostView['report']> => ({
  number,
  epoch,
  acted,
  ...(release === undefined ? {} : { release }),
  state,
  isPrefetched: prefetched === imageId || release === imageId,
});
