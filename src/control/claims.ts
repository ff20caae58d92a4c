/** What the fleet's key says of a member (src/trust makes and checks it). */
export interface MemberClaims {
  readonly peerId: string;
  readonly roles: readonly string[];
  /** Patterns of the apps that it may fetch. */
  readonly apps: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** ISO 8601, UTC. */
  readonly issuedAt: string;
  readonly expiresAt: string;
}

export interface CredentialVerifier {
  /**
   * What a credential says, when it is of this fleet, of this peer, and good now.
   * @throws PeerError that says why not
   */
  verify(text: string, peerId: string): MemberClaims;
}
