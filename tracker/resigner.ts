import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { ReleaseStore } from './release-store.ts';

export interface ResignerComponents {
  readonly releases: Pick<ReleaseStore, 'current' | 'signsOnline' | 'signAgain'>;
  /** Wall time in milliseconds since 1970: signatures expire by it. */
  readonly now: () => number;
  /** Returns after so many milliseconds, or throws when the signal aborts. */
  readonly wait?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
  readonly log: FastifyBaseLogger;
}

export interface ResignerInit {
  /** How often it looks, in milliseconds. */
  readonly everyMs: number;
  /** It signs again when less time than this is left, in milliseconds. */
  readonly whenLeftMs: number;
}

/**
 * Signs snapshot and timestamp again before they expire, by the tracker's own key: so releases stay
 * good without a human, and a host that is kept from the tracker notices. Where root does not name
 * that key, it does nothing.
 */
export class Resigner {
  readonly #components: ResignerComponents;
  readonly #init: ResignerInit;

  constructor(components: ResignerComponents, init: ResignerInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Looks now and then, until the signal aborts. A failure is logged, and tried again next time. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, wait = waitUnheld } = this.#components;
    while (!signal.aborted) {
      try {
        await this.signIfDue();
      } catch (error) {
        log.error({ err: error }, 'snapshot and timestamp can not be signed again');
      }
      try {
        await wait(this.#init.everyMs, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  /**
   * Signs again when it is time.
   * @returns whether it has
   * @throws RepositoryError when another key must sign first, StorageError when it can't be written
   */
  async signIfDue(): Promise<boolean> {
    const { releases, now, log } = this.#components;
    if (!releases.signsOnline || releases.current === undefined) return false;
    const leftMs = releases.current.summary.onlineExpires.getTime() - now();
    if (leftMs >= this.#init.whenLeftMs) return false;
    const signed = await releases.signAgain();
    const version = signed?.summary.timestampVersion;
    log.info({ timestampVersion: version }, 'snapshot and timestamp were signed again');
    return true;
  }
}

/** It keeps no process alive. */
const waitUnheld = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal, ref: false });
