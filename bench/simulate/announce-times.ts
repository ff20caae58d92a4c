import { defaultConfig } from '../../tracker/config.ts';
import type { Random } from './random.ts';

/** When hosts die, in seconds. */
export type Deaths = ReadonlyMap<number, number>;

const intervalSeconds = defaultConfig.progressIntervalMs / 1_000;
/** A tracker forgets who was silent for two intervals and a margin. */
const expirySeconds = 2 * intervalSeconds + defaultConfig.peerExpiryMarginMs / 1_000;

/** When hosts that fetch announce themselves to their tracker: from the start on, as `TrackerSession` does. */
export class AnnounceTimes {
  readonly #random: Random;
  readonly #deaths: Deaths;
  /** Of those that were asked for. */
  readonly #times = new Map<number, number[]>();

  constructor({ random, deaths }: { readonly random: Random; readonly deaths: Deaths }) {
    this.#random = random;
    this.#deaths = deaths;
  }

  /** When the tracker forgets one that dies. Infinity: it does not die. */
  forgotten(host: number): number {
    const died = this.#deaths.get(host) ?? Infinity;
    if (died === Infinity) return Infinity;
    return this.#upTo(host, died).findLast((seconds) => seconds <= died)! + expirySeconds;
  }

  /** The first announce after a moment. Infinity: it is dead by then. */
  next(host: number, afterSeconds: number): number {
    const next = this.#upTo(host, afterSeconds).find((seconds) => seconds > afterSeconds)!;
    return next < (this.#deaths.get(host) ?? Infinity) ? next : Infinity;
  }

  /** Its announces up to the first one after a moment, or farther. */
  #upTo(host: number, seconds: number): number[] {
    const times = this.#times.get(host) ?? [0];
    this.#times.set(host, times);
    for (let last = times.at(-1)!; last <= seconds; times.push(last)) {
      last += intervalSeconds * (0.75 + 0.25 * this.#random.number());
    }
    return times;
  }
}
