/**
 * Verified pieces in memory, the latest used ones: what one peer asks for, others ask for soon.
 * Bounded in bytes over all images of a host.
 */
export class PieceCache {
  readonly #limitBytes: number;
  readonly #pieces = new Map<string, Buffer>();
  #bytes = 0;

  constructor(init: { limitBytes: number }) {
    this.#limitBytes = init.limitBytes;
  }

  get(imageId: string, piece: number): Buffer | undefined {
    const key = `${imageId}/${piece}`;
    const data = this.#pieces.get(key);
    if (data === undefined) return undefined;
    // Taken out and put in again, so that the map is in the order of use.
    this.#pieces.delete(key);
    this.#pieces.set(key, data);
    return data;
  }

  /** Keeps a piece whose content is verified. The buffer must not be changed any more. */
  put(imageId: string, piece: number, data: Buffer): void {
    const key = `${imageId}/${piece}`;
    if (data.length > this.#limitBytes / 4 || this.#pieces.has(key)) return;
    this.#pieces.set(key, data);
    this.#bytes += data.length;
    for (const [oldest, { length }] of this.#pieces) {
      if (this.#bytes <= this.#limitBytes) return;
      this.#pieces.delete(oldest);
      this.#bytes -= length;
    }
  }
}
