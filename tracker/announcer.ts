import type { Announcement, AnnounceResult, Counts } from './announcement.ts';
import type { AnnouncePace } from './announce-interval.ts';
import type { OriginClaim, OriginLeases } from './origin-leases.ts';
import { packEndpoint } from './peer-address.ts';
import type { OriginAnswer } from '../src/policy/index.ts';
import type { SwarmTable } from './swarm-table.ts';

export interface AnnouncerComponents {
  readonly swarms: SwarmTable;
  readonly origins: OriginLeases;
  readonly pace: AnnouncePace;
  /** Milliseconds that never run backward. */
  readonly monotonicMs: () => number;
}

/** An announcement, and what it says of the origin. */
export type OriginQuery = Announcement & { readonly origin?: OriginClaim | undefined };

/** What an announcement led to, and what the peer is told. */
export interface Announced {
  readonly result: AnnounceResult;
  readonly intervalMs: number;
  readonly nowMs: number;
}

/** Takes announcements in, by whatever protocol they came, and decides when to hear of a peer again. */
export class Announcer {
  readonly #components: AnnouncerComponents;

  constructor(components: AnnouncerComponents) {
    this.#components = components;
  }

  announce(announcement: Announcement): Announced {
    const { swarms, pace, monotonicMs } = this.#components;
    const nowMs = monotonicMs();
    const reports = announcement.standing !== undefined && announcement.leftBytes > 0;
    const intervalMs = reports ? pace.progressIntervalMs(nowMs) : pace.intervalMs(nowMs);
    const result = swarms.announce(announcement, nowMs, intervalMs);
    pace.count(result === 'full' ? intervalMs : result.toldMs);
    return { result, intervalMs, nowMs };
  }

  counts(infoHash: string): Counts | undefined {
    const { swarms, monotonicMs } = this.#components;
    return swarms.counts(infoHash, monotonicMs());
  }

  /** What a host that asks is told of the origin. One that ends uses it no more, whatever it says. */
  answerOrigin(query: OriginQuery, nowMs: number): OriginAnswer | undefined {
    if (query.origin === undefined) return undefined;
    const { infoHash, peerId, address, port, event } = query;
    const origin = { ...query.origin, wanted: query.origin.wanted && event !== 'stopped' };
    const host = `${packEndpoint(address, port)}${peerId}`;
    return this.#components.origins.answer({ infoHash, host, origin }, nowMs);
  }
}
