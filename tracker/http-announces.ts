import { PeerError } from '../src/errors.ts';
import { encodeAnnounceAnswer, encodeFailure, encodeScrapeAnswer } from './announce-answer.ts';
import { parseAnnounce, parseScrape } from './announce-query.ts';
import type { AnnounceLimits, AnnounceQuery } from './announce-query.ts';
import type { Counts } from './announcement.ts';
import type { Announcer } from './announcer.ts';
import type { AnnounceOutcome, TrackerMetrics } from './metrics.ts';

export interface HttpAnnouncesComponents {
  readonly announcer: Announcer;
  readonly metrics: TrackerMetrics;
}

export interface HttpAnnouncesInit extends AnnounceLimits {
  readonly minAnnounceIntervalMs: number;
}

/** Bencoded, as a binary string: one character a byte. */
export interface BencodedAnswer {
  readonly status: 200 | 400 | 503;
  readonly body: string;
}

/** After this many minutes a peer that found no room may ask again. */
export const retryMinutes = 1;

/**
 * `/announce` and `/scrape`: the tracker as every BitTorrent client knows it. Refusals are bencoded,
 * as BEP 3 has them, with an HTTP status beside, which clients either read or ignore.
 */
export class HttpAnnounces {
  readonly #components: HttpAnnouncesComponents;
  readonly #init: HttpAnnouncesInit;

  constructor(components: HttpAnnouncesComponents, init: HttpAnnouncesInit) {
    this.#components = components;
    this.#init = init;
  }

  /** @param address that of the socket, packed; undefined when it is none */
  announce(url: string, address: string | undefined): BencodedAnswer {
    const { announcer, metrics } = this.#components;
    const startMs = performance.now();
    let query: AnnounceQuery | undefined;
    let outcome: AnnounceOutcome = 'done';
    try {
      query = parseAnnounce(url, address, this.#init);
      const { result, intervalMs, nowMs } = announcer.announce(query);
      const origin = announcer.answerOrigin(query, nowMs);
      if (result === 'full') {
        outcome = 'full';
        return noRoom;
      }
      const { minAnnounceIntervalMs } = this.#init;
      const intervals = { announceIntervalMs: intervalMs, minAnnounceIntervalMs };
      const body = encodeAnnounceAnswer(
        result,
        intervals,
        query,
        origin && { answer: origin, nowMs },
      );
      return { status: 200, body };
    } catch (error) {
      outcome = 'refused';
      return refusal(error);
    } finally {
      metrics.countAnnounce(query?.event ?? 'unknown', outcome);
      metrics.announceDuration.observe((performance.now() - startMs) / 1_000);
    }
  }

  scrape(url: string): BencodedAnswer {
    try {
      const files = new Map<string, Counts>();
      for (const infoHash of parseScrape(url)) {
        const counts = this.#components.announcer.counts(infoHash);
        if (counts !== undefined) files.set(infoHash, counts);
      }
      return { status: 200, body: encodeScrapeAnswer(files) };
    } catch (error) {
      return refusal(error);
    }
  }
}

const noRoom: BencodedAnswer = {
  status: 503,
  body: encodeFailure('this tracker has no room for more peers: try again later', retryMinutes),
};

/** The fault of who asked is told; any other is ours, and thrown. */
function refusal(error: unknown): BencodedAnswer {
  if (!(error instanceof PeerError)) throw error;
  return { status: 400, body: encodeFailure(error.message) };
}
