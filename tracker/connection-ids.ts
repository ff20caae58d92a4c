import { hash, randomBytes } from 'node:crypto';

/** Of how many milliseconds one number stands for in an id. */
const tickMs = 10_000;
/** BEP 15: a tracker should take an id for two minutes. */
const validTicks = 120_000 / tickMs;
const secretBytes = 24;
/** With the secret and the tick it is one block of SHA-256, so the address has a place of one size. */
const addressBytes = 16;
const tickAt = secretBytes;
const lengthAt = tickAt + 8;
const addressAt = lengthAt + 1;
const tagLength = 7;

/**
 * Connection ids (BEP 15): who sends one back has received it, and so has the address that it
 * speaks from. Nothing is kept of them: an id is a byte of the time, and seven of a hash over a
 * secret, the time and the address. The secret is that of this object and of nobody else.
 */
export class ConnectionIds {
  readonly #input = Buffer.alloc(addressAt + addressBytes);

  constructor(secret: Uint8Array = randomBytes(secretBytes)) {
    this.#input.set(secret.subarray(0, secretBytes));
  }

  /** The id of an address (packed) at this time: a binary string of 8 bytes. */
  issue(address: string, nowMs: number): string {
    return this.#idAt(address, Math.floor(nowMs / tickMs));
  }

  /** Whether the address was given this id in the last two minutes. */
  accepts(id: string, address: string, nowMs: number): boolean {
    const now = Math.floor(nowMs / tickMs);
    // One byte of the time says which of the last ticks it was: there are fewer than 256.
    const age = (now - id.charCodeAt(0)) & 0xff;
    return age <= validTicks && id === this.#idAt(address, now - age);
  }

  #idAt(address: string, tick: number): string {
    const input = this.#input;
    input.writeDoubleBE(tick, tickAt);
    input.fill(0, lengthAt);
    input[lengthAt] = address.length;
    input.write(address, addressAt, 'latin1');
    const tag = hash('sha256', input, 'binary').slice(0, tagLength);
    return String.fromCharCode(tick & 0xff) + tag;
  }
}
