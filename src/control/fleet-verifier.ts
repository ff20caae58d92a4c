import { verifyCredential, type CredentialClaims, type FleetMembership } from '../trust/sealed.ts';
import type { Clock } from './clock.ts';
import type { CredentialVerifier } from './credential-verifier.ts';

export interface FleetVerifierComponents {
  /** Whose credentials are good, and who of them is revoked, as of now. */
  readonly fleet: Pick<FleetMembership, 'fleetId' | 'revocations'>;
  readonly clock: Pick<Clock, 'now'>;
}

/** Checks credentials by the key of the fleet and the newest revocation list that is known. */
export class FleetVerifier implements CredentialVerifier {
  readonly #fleet: FleetVerifierComponents['fleet'];
  readonly #clock: FleetVerifierComponents['clock'];

  constructor(components: FleetVerifierComponents) {
    this.#fleet = components.fleet;
    this.#clock = components.clock;
  }

  /** @throws PeerError */
  verify(text: string, peerId: string): CredentialClaims {
    const { fleetId, revocations } = this.#fleet;
    const now = new Date(this.#clock.now());
    return verifyCredential(text, { fleetId, peerId, now, revocations });
  }
}
