import { TrackerError } from '../errors.ts';
import { announce, type AnnounceRequest, type AnnounceResponse } from './announce.ts';
import type { AnnounceBatch, SwarmAnswer, SwarmClaim } from './announce-batch.ts';
import { maxSwarmsPerBatch } from './announce-batch.ts';
import { cancellableDelay } from './delay.ts';
import type { OriginTalk } from './origin-permit.ts';
import { TrackerConnection } from './tracker-connection.ts';

/** One swarm, as its announces are concerned. */
export interface SwarmTalk {
  /** 20 bytes. */
  readonly infoHash: Buffer;
  /** What to say of it at the moment. */
  claim(): Omit<SwarmClaim, 'infoHash' | 'event' | 'origin'>;
  /** The same for trackers that are not ours. */
  describe(): Omit<AnnounceRequest, 'event'>;
  /** Whether more peers are needed at once: then it asks sooner than the tracker's interval. */
  isStarving(): boolean;
  /** Who asks to use the origin (a web seed); only the first tracker of a swarm decides. */
  readonly origin: OriginTalk | undefined;
  onAnswer(answer: SwarmAnswer): void;
  /** A tracker that is not ours knows peers, and no graph. */
  onForeignAnswer(answer: AnnounceResponse): void;
  /** A tracker can't be reached or takes no announce, or does again. */
  onReachable(session: TrackerSession, reachable: boolean): void;
}

export interface TrackerSessionInit {
  readonly url: string;
  /** Where it is one of ours, the only certificates that are believed of it, in PEM. */
  readonly authorities?: string | undefined;
  /** What this host is, for its own transport. */
  readonly describeHost: () => Omit<AnnounceBatch, 'swarms'>;
  readonly onError: (error: unknown) => void;
}

interface Entry {
  readonly talk: SwarmTalk;
  event: SwarmClaim['event'];
  /** It is whole since the last announce that was answered. */
  completed: boolean;
  leaving: boolean;
  /** Infinity: it is being announced. */
  dueMs: number;
  hungry: number;
  readonly gone: PromiseWithResolvers<void>;
  readonly left: AbortController;
}

const hungryMs = { first: 500, most: 15_000 };
const retryMs = { first: 1_000, most: 30_000 };
/** What is due within this time goes into one announce. */
const gatherMs = 200;
/** After a connection was lost all hosts come back, not all at once. */
const lostMs = 1_000;
const farewellMs = 1_000;

/**
 * Keeps the swarms of a host announced to one tracker: all that are due in one request, on one
 * connection. A tracker that is not ours is spoken to as BEP 3 says, swarm by swarm. A tracker out
 * of reach is tried again with growing pauses.
 */
export class TrackerSession implements AsyncDisposable {
  readonly #init: TrackerSessionInit;
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #connection: TrackerConnection;
  readonly #entries = new Map<SwarmTalk, Entry>();
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #wake = new AbortController();
  #isForeign = false;
  #failures = 0;
  #notBeforeMs = 0;

  constructor(components: { random: () => number; now: () => number }, init: TrackerSessionInit) {
    this.#random = components.random;
    this.#now = components.now;
    this.#init = init;
    this.#connection = new TrackerConnection({
      url: init.url,
      authorities: init.authorities,
      onLost: () => {
        for (const entry of this.#entries.values()) {
          entry.dueMs = Math.min(entry.dueMs, this.#now() + this.#random() * lostMs);
        }
        this.#hurry();
      },
    });
    this.#loop = this.#run();
  }

  /** Announces a swarm from now on. */
  join(talk: SwarmTalk): void {
    const known = this.#entries.get(talk);
    if (known?.leaving === false || this.#closing.signal.aborted) return;
    // It comes back while its good-bye is still being said.
    if (known !== undefined) this.#forget(known);
    this.#entries.set(talk, {
      talk,
      event: 'started',
      completed: false,
      leaving: false,
      dueMs: 0,
      hungry: 0,
      gone: Promise.withResolvers(),
      left: new AbortController(),
    });
    this.#hurry();
  }

  /** Says good-bye for a swarm, briefly; settles when that is done or can't be. */
  async leave(talk: SwarmTalk): Promise<void> {
    const entry = this.#entries.get(talk);
    if (entry === undefined) return;
    entry.leaving = true;
    entry.dueMs = 0;
    if (this.#failures > 0) this.#forget(entry);
    else this.#hurry();
    await Promise.race([entry.gone.promise, cancellableDelay(2 * farewellMs, entry.left.signal)]);
    this.#forget(entry);
  }

  /** Tells the tracker that the image is whole here. */
  complete(talk: SwarmTalk): void {
    const entry = this.#entries.get(talk);
    if (entry === undefined) return;
    entry.completed = true;
    this.hurry(talk);
  }

  /** Announces a swarm now. */
  hurry(talk: SwarmTalk): void {
    const entry = this.#entries.get(talk);
    if (entry === undefined) return;
    entry.dueMs = 0;
    this.#hurry();
  }

  #hurry(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      // Taken before the request, so that what happens meanwhile cuts the pause short.
      const wake = this.#wake.signal;
      const due = this.#due();
      if (due.length > 0) await this.#announce(due);
      const pauseMs = this.#nextMs() - this.#now();
      if (pauseMs > 0) await cancellableDelay(pauseMs, AbortSignal.any([signal, wake]));
      // Swarms that are joined one after the other go together.
      else await Promise.resolve();
    }
  }

  #due(): Entry[] {
    const now = this.#now();
    if (now < this.#notBeforeMs) return [];
    const entries = [...this.#entries.values()];
    if (!entries.some(({ dueMs }) => dueMs <= now)) return [];
    return entries.filter(({ dueMs }) => dueMs <= now + gatherMs).slice(0, maxSwarmsPerBatch);
  }

  #nextMs(): number {
    let next = this.#now() + hungryMs.most;
    for (const { dueMs } of this.#entries.values()) next = Math.min(next, dueMs);
    return Math.max(next, this.#notBeforeMs);
  }

  async #announce(due: readonly Entry[]): Promise<void> {
    for (const entry of due) entry.dueMs = Infinity;
    const leaving = due.some((entry) => entry.leaving);
    const signal = leaving
      ? AbortSignal.any([this.#closing.signal, AbortSignal.timeout(farewellMs)])
      : this.#closing.signal;
    try {
      if (this.#isForeign || !(await this.#announceBatch(due, signal))) {
        await Promise.all(due.map((entry) => this.#announceForeign(entry, signal)));
      }
      this.#failures = 0;
      this.#notBeforeMs = 0;
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      // Whoever is there next may be another.
      this.#isForeign = false;
      if (!leaving) this.#init.onError(error);
      const pauseMs = Math.min(retryMs.most, retryMs.first * 2 ** this.#failures++);
      this.#notBeforeMs = this.#now() + pauseMs * (0.75 + this.#random() * 0.25);
      // What waits for a tracker that is gone need not wait with it.
      for (const entry of [...this.#entries.values()]) {
        entry.dueMs = Math.min(entry.dueMs, this.#now());
        if (entry.leaving) this.#forget(entry);
        else entry.talk.onReachable(this, false);
      }
    }
  }

  /** @returns whether the tracker knows of batches */
  async #announceBatch(due: readonly Entry[], signal: AbortSignal): Promise<boolean> {
    const sentMs = this.#now();
    const said = due.map((entry) => this.#claimOf(entry));
    const batch = { ...this.#init.describeHost(), swarms: said.map(({ claim }) => claim) };
    const answer = await this.#connection.announce(batch, { signal });
    if (answer === undefined) {
      this.#isForeign = true;
      return false;
    }
    const answers = new Map(answer.swarms.map((swarm) => [swarm.infoHash, swarm]));
    for (const { entry, claim } of said) {
      const swarm = answers.get(claim.infoHash);
      if (swarm === undefined || 'refused' in swarm) {
        const why = swarm?.refused ?? 'it does not say why';
        this.#refused(entry, new Error(`${this.#init.url} takes no announce: ${why}`));
        continue;
      }
      entry.talk.onReachable(this, true);
      entry.talk.onAnswer(swarm);
      if (claim.origin !== undefined) {
        const { origin } = swarm;
        entry.talk.origin?.onAnswer({ intervalMs: 0, endpoints: [], origin }, sentMs);
      }
      const intervalMs = swarm.intervalMs ?? answer.intervalMs;
      this.#settle(entry, claim.event, intervalMs, entry.talk.origin?.nextMs());
    }
    return true;
  }

  #claimOf(entry: Entry): { entry: Entry; claim: SwarmClaim } {
    const { talk, leaving } = entry;
    const claim = {
      infoHash: talk.infoHash.subarray(0, 20).toString('hex'),
      ...talk.claim(),
      event: leaving ? ('stopped' as const) : this.#eventOf(entry),
      origin: talk.origin?.claim(),
    };
    return { entry, claim };
  }

  #eventOf({ event, completed }: Entry): SwarmClaim['event'] {
    return event ?? (completed ? 'completed' : undefined);
  }

  async #announceForeign(entry: Entry, signal: AbortSignal): Promise<void> {
    const { talk, leaving } = entry;
    const sentMs = this.#now();
    const event = leaving ? 'stopped' : this.#eventOf(entry);
    const request = { ...talk.describe(), event, origin: talk.origin?.claim() };
    if (leaving) request.wanted = 0;
    let answer: AnnounceResponse;
    try {
      answer = await announce(this.#init.url, request, { signal });
    } catch (error) {
      if (!(error instanceof TrackerError && error.code === 'TRACKER_REFUSED')) throw error;
      // It may not want this swarm, and know others.
      this.#refused(entry, error);
      return;
    }
    talk.onReachable(this, true);
    talk.onForeignAnswer(answer);
    talk.origin?.onAnswer(answer, sentMs);
    this.#settle(entry, event, answer.intervalMs, talk.origin?.nextMs());
  }

  /** Nothing of what was announced is known there: it is said again, not soon, and to the next. */
  #refused(entry: Entry, error: Error): void {
    if (entry.leaving) {
      this.#forget(entry);
      return;
    }
    this.#init.onError(error);
    entry.talk.onReachable(this, false);
    const pauseMs = retryMs.most * (0.75 + this.#random() * 0.25);
    entry.dueMs = Math.min(entry.dueMs, this.#now() + pauseMs);
  }

  /** An announce was answered: when is the next? */
  #settle(entry: Entry, event: SwarmClaim['event'], intervalMs: number, soonMs = Infinity): void {
    if (event === 'stopped') {
      this.#forget(entry);
      return;
    }
    if (event === entry.event) entry.event = undefined;
    if (event === 'completed') entry.completed = false;
    entry.hungry = entry.talk.isStarving() ? entry.hungry + 1 : 0;
    const hungry =
      entry.hungry === 0
        ? Infinity
        : Math.min(hungryMs.most, hungryMs.first * 2 ** (entry.hungry - 1));
    // Spread, so that a fleet that was started at once does not announce at once for ever.
    const spread = 0.75 + this.#random() * 0.25;
    const pauseMs = Math.min(intervalMs, hungry, soonMs) * spread;
    // It may have been hurried while it was announced.
    entry.dueMs = Math.min(entry.dueMs, this.#now() + pauseMs);
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(entry.talk) === entry) this.#entries.delete(entry.talk);
    entry.gone.resolve();
    entry.left.abort();
  }

  /** Says good-bye for all swarms that are left, briefly. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((talk) => this.leave(talk)));
    this.#closing.abort();
    await this.#loop;
    this.#connection[Symbol.dispose]();
  }
}
