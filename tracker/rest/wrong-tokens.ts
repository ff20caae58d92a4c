import { packAddress } from '../peer-address.ts';

export interface WrongTokensInit {
  /** So many wrong tokens in a row an address may bring. */
  readonly burst: number;
  /** After so long it may bring one more. */
  readonly refillMs: number;
  /** Of so many addresses it is known; beyond it those that were wrong longest ago are forgotten. */
  readonly maxAddresses: number;
}

export const defaultWrongTokens: WrongTokensInit = {
  burst: 20,
  refillMs: 3_000,
  maxAddresses: 10_000,
};

/** What an IPv6 host has as a rule: 64 bits of its address are its own to choose. */
const ipv6PrefixBytes = 8;

/**
 * Slows down who tries tokens: a bucket for each address (of IPv6 each /64 network). What it holds
 * against an address is gone when that was quiet for `burst` times `refillMs`.
 */
export class WrongTokens {
  readonly #init: WrongTokensInit;
  readonly #monotonicMs: () => number;
  /** When all that an address did will be forgiven; who was wrong longest ago comes first. */
  readonly #forgivenMs = new Map<string, number>();

  constructor(components: { readonly monotonicMs: () => number }, init: WrongTokensInit) {
    this.#monotonicMs = components.monotonicMs;
    this.#init = init;
  }

  /** How long an address is to wait before a token of it is looked at; 0: not at all. */
  waitMs(address: string): number {
    const { burst, refillMs } = this.#init;
    const forgivenMs = this.#forgivenMs.get(placeOf(address));
    if (forgivenMs === undefined) return 0;
    return Math.max(0, forgivenMs - this.#monotonicMs() - (burst - 1) * refillMs);
  }

  /** Notes that an address brought a wrong token. */
  note(address: string): void {
    const place = placeOf(address);
    const nowMs = this.#monotonicMs();
    const fromMs = Math.max(nowMs, this.#forgivenMs.get(place) ?? nowMs);
    this.#forgivenMs.delete(place);
    this.#forgivenMs.set(place, fromMs + this.#init.refillMs);
    const [oldest] = this.#forgivenMs.keys();
    if (this.#forgivenMs.size > this.#init.maxAddresses && oldest !== undefined) {
      this.#forgivenMs.delete(oldest);
    }
  }
}

function placeOf(address: string): string {
  const packed = packAddress(address) ?? '';
  return packed.length > 4 ? packed.slice(0, ipv6PrefixBytes) : packed;
}
