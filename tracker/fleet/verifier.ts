import type { CredentialVerifier } from '../../src/control/index.ts';
import {
  verifyCredential,
  type CredentialClaims,
  type RevocationList,
} from '../../src/trust/sealed.ts';

/** Whose credentials are good here, by the newest revocation list that was seen. */
export class FleetVerifier implements CredentialVerifier {
  readonly #fleetId: string;
  readonly #now: () => number;
  #revocations: RevocationList | undefined;

  constructor(components: { now: () => number }, init: { fleetId: string }) {
    this.#fleetId = init.fleetId;
    this.#now = components.now;
  }

  get revocations(): RevocationList | undefined {
    return this.#revocations;
  }

  /** @returns whom it names that the list before did not; nothing when it is not newer */
  take(list: RevocationList): string[] {
    const before = this.#revocations;
    if (before !== undefined && list.number <= before.number) return [];
    this.#revocations = list;
    return [...list.peerIds].filter((id) => before?.peerIds.has(id) !== true);
  }

  /** @throws PeerError */
  verify(text: string, peerId: string): CredentialClaims {
    const now = new Date(this.#now());
    return verifyCredential(text, {
      fleetId: this.#fleetId,
      peerId,
      now,
      revocations: this.#revocations,
    });
  }
}
