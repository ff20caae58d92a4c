import type { CredentialClaims } from '../trust/sealed.ts';

/** Says whose credential is good: it knows the fleet and who is revoked. */
export interface CredentialVerifier {
  /**
   * What a credential says, when it is of this fleet, of this peer, and good now.
   * @throws PeerError that says why not
   */
  verify(text: string, peerId: string): CredentialClaims;
}
