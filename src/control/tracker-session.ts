import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, isStarlingError, TrackerError } from '../errors.ts';
import { parsePeerAddress } from './addresses.ts';
import { backoffMs, type BackoffInit } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { ControlNode } from './control-node.ts';
import { CredentialRenewal } from './credential-renewal.ts';
import type { ChannelReport, Hello, TrackerMessage } from './messages.ts';
import { ReportBox } from './report-box.ts';
import { sessionTimings } from './session-timings.ts';
import { TrackerTalk } from './tracker-talk.ts';

export interface TrackerSessionComponents {
  readonly node: ControlNode;
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly random: () => number;
}

export interface TrackerSessionInit {
  /** As `parsePeerAddress` reads them; a session is kept with one of them, until others are set. */
  readonly trackers: readonly string[];
  /** What this host says of itself whenever a session begins. */
  readonly describe: () => Omit<Hello, 'type' | 'protocol'>;
  /** In the order in which they were sent; credentials are taken before they are told. */
  readonly onMessage: (message: TrackerMessage) => void;
  /** A session has begun; or it ended, or none could be had, and why. */
  readonly onChange?: (change: SessionChange) => void;
  readonly backoff?: BackoffInit;
  readonly heartbeatMs?: number;
  readonly deadAfterMs?: number;
}

export type SessionChange =
  | { readonly tracker: string; readonly connected: true }
  | { readonly tracker: string; readonly connected: false; readonly error: Error };

/** News that come again and again bring nobody to the trackers more often. */
const lookEveryMs = 5_000;
/** All hosts hear of them at one moment, and come spread over this time. */
const lookSpreadMs = 1_000;

/** Up to the second pause, hosts that lost the same tracker together come back over 3 seconds. */
const defaultBackoff: BackoffInit = { firstMs: 1_000, mostMs: 30_000 };

/**
 * Keeps one session with one of several trackers: the next one when it ends, and pauses that grow when
 * none can be reached. What is reported meanwhile is sent to the next.
 */
export class TrackerSession implements AsyncDisposable {
  readonly #components: TrackerSessionComponents;
  readonly #init: TrackerSessionInit;
  readonly #reports = new ReportBox();
  readonly #renewal: CredentialRenewal;
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #talk: TrackerTalk | undefined;
  #trackers: readonly string[];
  #wake = new AbortController();
  #lookedMs = -Infinity;

  /** @throws ConfigError when there is no tracker, or an address is not one */
  constructor(components: TrackerSessionComponents, init: TrackerSessionInit) {
    this.#components = components;
    this.#init = init;
    for (const tracker of init.trackers) parsePeerAddress(tracker);
    this.#trackers = init.trackers;
    if (init.trackers.length === 0) {
      throw new ConfigError('CONFIG_MISSING', 'no tracker is given: name at least one');
    }
    const { node } = components;
    this.#renewal = new CredentialRenewal(components, {
      claims: () => node.claims,
      ask: () => this.#talk?.renew(),
    });
    this.#loop = this.#run();
  }

  /** The tracker that the session is with; undefined while there is none. */
  get tracker(): string | undefined {
    return this.#talk?.isWelcome ? this.#talk.tracker : undefined;
  }

  /**
   * The fleet's time as this host counts it, in milliseconds since 1970: that of the tracker which was
   * the furthest ahead when it welcomed this host, and what has passed since. It is never set back. The
   * leases of permits are handed on by it, translated. Undefined before the first session.
   */
  get fleetTimeMs(): number | undefined {
    return this.#fleetTime && this.#fleetTime.atMs + this.#components.clock.uptime();
  }
  #fleetTime: { readonly atMs: number } | undefined;

  /** Says how a channel is here, now or with the next session; only the newest of each is sent. */
  report(report: ChannelReport): void {
    this.#reports.put(report);
    this.#talk?.flush();
  }

  /** Shows the tracker a revocation list that is newer than its own, or another; if there is a session. */
  showRevocations(text: string): void {
    this.#talk?.showRevocations(text);
  }

  /**
   * From which trackers the next one is taken, when this session ends.
   * @throws ConfigError when an address is not one; then all stays as it was
   */
  setTrackers(trackers: readonly string[]): void {
    for (const tracker of trackers) parsePeerAddress(tracker);
    if (trackers.length > 0) this.#trackers = trackers;
  }

  /**
   * There is something to look at: while there is no session, the next tracker is tried within a second, and not
   * after the pause.
   */
  lookNow(): void {
    const nowMs = this.#components.clock.uptime();
    if (nowMs - this.#lookedMs < lookEveryMs) return;
    this.#lookedMs = nowMs;
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { random, clock } = this.#components;
    const { backoff = defaultBackoff } = this.#init;
    let next = Math.floor(random() * this.#trackers.length);
    let failures = 0;
    while (!signal.aborted) {
      const tracker = this.#trackers[next % this.#trackers.length] ?? '';
      next++;
      const beganMs = clock.uptime();
      await this.#talkTo(tracker);
      // One that ends at once, again and again, is no better than none.
      const hasLasted = clock.uptime() - beganMs > backoff.mostMs;
      failures = hasLasted ? 1 : failures + 1;
      // All trackers are tried before the pause grows.
      const rounds = Math.ceil(failures / this.#trackers.length);
      const pauseMs = backoffMs(rounds, random(), backoff);
      await this.#pause(pauseMs, random() * lookSpreadMs);
    }
  }

  /** @param soonMs how long to wait when there is something to look at */
  async #pause(ms: number, soonMs: number): Promise<void> {
    const { signal } = this.#closing;
    this.#wake = new AbortController();
    const woken = AbortSignal.any([signal, this.#wake.signal]);
    const beganMs = this.#components.clock.uptime();
    await sleep(ms, undefined, { signal: woken }).catch(() => undefined);
    if (!woken.aborted) return;
    const leftMs = ms - (this.#components.clock.uptime() - beganMs);
    await sleep(Math.max(Math.min(leftMs, soonMs), 0), undefined, { signal }).catch(
      () => undefined,
    );
  }

  async #talkTo(tracker: string): Promise<void> {
    const { node, clock } = this.#components;
    const { heartbeatMs, deadAfterMs } = { ...sessionTimings, ...defined(this.#init) };
    const talk = new TrackerTalk(
      {
        node,
        uptime: clock.uptime,
        reports: this.#reports,
        fleetTimeMs: () => this.fleetTimeMs ?? 0,
      },
      {
        tracker,
        heartbeatMs,
        deadAfterMs,
        hello: this.#init.describe(),
        onMessage: (message) => this.#onMessage(tracker, message, talk),
      },
    );
    this.#talk = talk;
    let error: Error;
    try {
      await talk.run({ signal: this.#closing.signal });
      error = new TrackerError('TRACKER_UNREACHABLE', `the tracker ${tracker} ended the session`);
    } catch (cause) {
      error = asError(tracker, cause);
    }
    this.#talk = undefined;
    this.#renewal[Symbol.dispose]();
    if (!this.#closing.signal.aborted) {
      this.#init.onChange?.({ tracker, connected: false, error });
    }
  }

  #onMessage(tracker: string, message: TrackerMessage, talk: TrackerTalk): void {
    if (message.type === 'welcome') {
      const atMs = Date.parse(message.fleetTime) + 1 - talk.saidHelloMs;
      this.#fleetTime = { atMs: Math.max(atMs, this.#fleetTime?.atMs ?? atMs) };
      this.#reports.resend();
      talk.flush();
    }
    const credential = credentialOf(message);
    if (credential !== undefined) this.#components.node.setCredential(credential);
    if (message.type === 'welcome' || credential !== undefined) this.#renewal.restart();
    if (message.type === 'welcome') this.#init.onChange?.({ tracker, connected: true });
    this.#init.onMessage(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#renewal[Symbol.dispose]();
    await this.#loop;
  }
}

const credentialOf = (message: TrackerMessage): string | undefined => {
  if (message.type === 'welcome') return message.credential;
  return message.type === 'credential' ? message.text : undefined;
};

const defined = (init: TrackerSessionInit) => ({
  ...(init.heartbeatMs !== undefined && { heartbeatMs: init.heartbeatMs }),
  ...(init.deadAfterMs !== undefined && { deadAfterMs: init.deadAfterMs }),
});

function asError(tracker: string, cause: unknown): Error {
  if (isStarlingError(cause)) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  const what = `the session with the tracker ${tracker} ended: ${why}`;
  return new TrackerError('TRACKER_UNREACHABLE', what, { cause });
}
