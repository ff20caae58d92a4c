import type { CredentialClaims } from '../trust/sealed.ts';
import type { Clock } from './clock.ts';

/** What setTimeout takes at most is 24 days; a credential may live longer. */
const maxWaitMs = 24 * 3_600_000;
/** How long an answer is waited for before it is asked again. */
const againMs = 30_000;

/**
 * When to ask for the next credential, in milliseconds from now: between 40 and 60 % of its life, so
 * that hosts that got theirs together don't ask together; and again, as long as none has come.
 * @param random from 0 to below 1
 * @param hasAsked whether it has been asked for since that moment
 */
export function renewalDelayMs(
  claims: CredentialClaims,
  state: { readonly nowMs: number; readonly random: number; readonly hasAsked: boolean },
): number {
  const { nowMs, random, hasAsked } = state;
  if (hasAsked) return againMs * (0.5 + random);
  const issuedMs = Date.parse(claims.issuedAt);
  const lifeMs = Date.parse(claims.expiresAt) - issuedMs;
  return Math.max(0, issuedMs + lifeMs * (0.4 + 0.2 * random) - nowMs);
}

/** Calls `ask` when the credential should be renewed, again and again until `stop`. */
export class CredentialRenewal implements Disposable {
  readonly #components: { readonly clock: Clock; readonly random: () => number };
  readonly #init: { readonly claims: () => CredentialClaims | undefined; readonly ask: () => void };
  #timer: NodeJS.Timeout | undefined;
  #hasAsked = false;

  constructor(
    components: { clock: Clock; random: () => number },
    init: { claims: () => CredentialClaims | undefined; ask: () => void },
  ) {
    this.#components = components;
    this.#init = init;
  }

  /** Begins anew: there is a session, or another credential. */
  restart(): void {
    this.#hasAsked = false;
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const claims = this.#init.claims();
    if (claims === undefined) return;
    const { clock, random } = this.#components;
    const waitMs = renewalDelayMs(claims, {
      nowMs: clock.now(),
      random: random(),
      hasAsked: this.#hasAsked,
    });
    const isDue = waitMs <= maxWaitMs;
    this.#timer = setTimeout(
      () => {
        if (isDue) {
          this.#hasAsked = true;
          this.#init.ask();
        }
        this.#arm();
      },
      Math.min(waitMs, maxWaitMs),
    ).unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
