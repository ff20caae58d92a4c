import { encodeEvent, heartbeat, type EventStream } from '../src/api/index.ts';
import { describeEndpoint, describeHost, hasMoved, hex, summarizeSwarm } from './swarm-progress.ts';
import type { SwarmTable } from './swarm-table.ts';

export interface SwarmWatchComponents {
  readonly swarms: SwarmTable;
  readonly monotonicMs: () => number;
}

export interface SwarmWatchInit {
  /** How often readers are told what has changed. */
  readonly watchIntervalMs: number;
  /** After so long without an event they get a sign of life. */
  readonly watchHeartbeatMs: number;
}

/** Hosts that are told of at a time; the others wait for the next, in the order they changed. */
const hostsPerTick = 500;
/** Hosts that wait to be told of; beyond, changes are left out. */
const maxPending = 50_000;

/**
 * Tells all readers of one swarm how far its hosts are: at each tick a summary, where it changed,
 * and the hosts that moved since. What is told is written down once, for however many readers.
 */
export class SwarmWatch {
  readonly #components: SwarmWatchComponents;
  readonly #infoHash: string;
  readonly #readers = new Set<EventStream>();
  readonly #timer: NodeJS.Timeout;
  readonly #ticksToHeartbeat: number;
  /** Hosts that have moved, by address and port; what they are now is looked up when it is told. */
  readonly #pending = new Set<string>();
  #hasChanged = false;
  #summary = '';
  #silentTicks = 0;

  /** @param infoHash a binary string */
  constructor(components: SwarmWatchComponents, init: SwarmWatchInit, infoHash: string) {
    this.#components = components;
    this.#infoHash = infoHash;
    this.#ticksToHeartbeat = Math.ceil(init.watchHeartbeatMs / init.watchIntervalMs);
    components.swarms.watch(infoHash, ({ endpoint, standing }, before) => {
      this.#hasChanged = true;
      if (standing === undefined || this.#pending.size >= maxPending) return;
      // What left stands where it stood before.
      if (standing === before || hasMoved(before, standing)) this.#pending.add(endpoint);
    });
    this.#timer = setInterval(() => {
      this.#tick();
    }, init.watchIntervalMs);
  }

  get isIdle(): boolean {
    return this.#readers.size === 0;
  }

  /** A new reader is told at once how far all are together. */
  add(reader: EventStream): void {
    this.#readers.add(reader);
    const { swarms, monotonicMs } = this.#components;
    const summary = summarizeSwarm(swarms, this.#infoHash, monotonicMs());
    if (summary === undefined) return;
    const text = encodeEvent('summary', summary);
    reader.write(text);
    // Readers that were there before have not been told this.
    if (this.#readers.size === 1) this.#summary = text;
  }

  remove(reader: EventStream): void {
    this.#readers.delete(reader);
  }

  /** Ends the streams of all readers. */
  close(): void {
    clearInterval(this.#timer);
    this.#components.swarms.watch(this.#infoHash, undefined);
    for (const reader of this.#readers) reader.end();
  }

  #tick(): void {
    const { swarms, monotonicMs } = this.#components;
    const nowMs = monotonicMs();
    // Also forgets who was silent for too long, and so learns of it.
    const isEmpty = swarms.counts(this.#infoHash, nowMs) === undefined;
    const text = isEmpty
      ? this.#hostEvents(nowMs) + encodeEvent('end', { infoHash: hex(this.#infoHash) })
      : this.#summaryEvent(nowMs) + this.#hostEvents(nowMs);
    if (text !== '') this.#silentTicks = 0;
    else if (++this.#silentTicks < this.#ticksToHeartbeat) return;
    else this.#silentTicks = 0;
    for (const reader of this.#readers) {
      reader.write(text === '' ? heartbeat : text);
      if (isEmpty) reader.end();
    }
  }

  #summaryEvent(nowMs: number): string {
    if (!this.#hasChanged) return '';
    this.#hasChanged = false;
    const { swarms } = this.#components;
    const text = encodeEvent('summary', summarizeSwarm(swarms, this.#infoHash, nowMs));
    if (text === this.#summary) return '';
    this.#summary = text;
    return text;
  }

  #hostEvents(nowMs: number): string {
    let text = '';
    let told = 0;
    for (const endpoint of this.#pending) {
      if (told++ === hostsPerTick) break;
      this.#pending.delete(endpoint);
      const host = this.#components.swarms.host(this.#infoHash, endpoint);
      text +=
        host === undefined
          ? encodeEvent('gone', describeEndpoint(endpoint))
          : encodeEvent('host', describeHost(host, nowMs));
    }
    return text;
  }
}
