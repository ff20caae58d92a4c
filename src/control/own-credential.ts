import { PeerError } from '../errors.ts';
import type { CredentialVerifier, MemberClaims } from './claims.ts';

/** The credential by which this node is a member; there may be none yet. */
export class OwnCredential {
  readonly #verifier: CredentialVerifier;
  readonly #peerId: string;
  #held: { readonly text: string; readonly claims: MemberClaims } | undefined;

  constructor(components: { verifier: CredentialVerifier }, init: { peerId: string }) {
    this.#verifier = components.verifier;
    this.#peerId = init.peerId;
  }

  get claims(): MemberClaims | undefined {
    return this.#held?.claims;
  }

  /** @throws PeerError when it is not good, or another's; the old one stays */
  set(text: string): void {
    this.#held = { text, claims: this.#verifier.verify(text, this.#peerId) };
  }

  /** @throws PeerError PEER_NOT_MEMBER when there is none */
  get text(): string {
    if (this.#held !== undefined) return this.#held.text;
    throw new PeerError('PEER_NOT_MEMBER', 'this host has no credential yet: it must join first', {
      evidence: { peer: this.#peerId },
    });
  }
}
