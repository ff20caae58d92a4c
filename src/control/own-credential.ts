import { PeerError } from '../errors.ts';
import type { CredentialClaims } from '../trust/sealed.ts';
import type { CredentialVerifier } from './credential-verifier.ts';

/** The credential by which this node is a member; there may be none yet. */
export class OwnCredential {
  readonly #verifier: CredentialVerifier;
  readonly #peerId: string;
  #held: { readonly text: string; readonly claims: CredentialClaims } | undefined;

  constructor(components: { verifier: CredentialVerifier }, init: { peerId: string }) {
    this.#verifier = components.verifier;
    this.#peerId = init.peerId;
  }

  get claims(): CredentialClaims | undefined {
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
