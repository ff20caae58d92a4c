/**
 * How much all downloads of a host may have asked for at a time: pieces in memory that are being
 * put together or wait to be written are never more.
 */
export class PieceBudget {
  readonly #limitBytes: number;
  #usedBytes = 0;

  constructor(init: { limitBytes: number }) {
    this.#limitBytes = init.limitBytes;
  }

  hasRoom(bytes: number): boolean {
    return this.#usedBytes + bytes <= this.#limitBytes;
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
