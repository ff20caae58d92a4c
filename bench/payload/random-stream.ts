import { createCipheriv, createHash } from 'node:crypto';

/**
 * Bytes and numbers that look random and are the same for the same seed: the key stream of AES-128
 * in counter mode, which no compression and no chance makes smaller or equal.
 */
export class RandomStream {
  readonly #cipher: ReturnType<typeof createCipheriv>;

  constructor(seed: string) {
    const key = createHash('sha256').update(seed).digest().subarray(0, 16);
    this.#cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  }

  bytes(sizeBytes: number): Buffer {
    return this.#cipher.update(Buffer.alloc(sizeBytes));
  }

  /** From 0 to below 1. */
  number(): number {
    return this.bytes(4).readUInt32LE() / 4_294_967_296;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.number() * limit);
  }
}
