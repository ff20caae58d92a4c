import {
  FleetMembership,
  Identity,
  issueCredential,
  signRevocations,
} from '../../src/trust/index.ts';
import type { CredentialClaims } from '../../src/trust/index.ts';
import type { ExchangeSeal } from '../../src/swarm/index.ts';
import { sealOf, type SealedHost } from './sealed-host.ts';

export interface CredentialInit extends Partial<CredentialClaims> {
  /** From now on; for one that has expired, less than 0. */
  readonly expiresInMs?: number;
}

/** A fleet with a key of its own, which can say who belongs to it. */
export class FleetKey {
  readonly #key = Identity.generate();
  #number = 0;

  get fleetId(): string {
    return this.#key.peerId;
  }

  /** A credential for a day, of a host that may fetch every app, unless told otherwise. */
  issue(peerId: string, { expiresInMs = 86_400_000, ...claims }: CredentialInit = {}): string {
    const now = Date.now();
    return issueCredential(this.#key, {
      peerId,
      roles: ['host'],
      apps: ['*'],
      labels: {},
      issuedAt: new Date(now - 3_600_000).toISOString(),
      expiresAt: new Date(now + expiresInMs).toISOString(),
      ...claims,
    });
  }

  /** The next revocation list. */
  revoke(...peerIds: readonly string[]): string {
    const issuedAt = new Date().toISOString();
    return signRevocations(this.#key, { number: ++this.#number, peerIds, issuedAt });
  }

  /** How a host belongs, with a credential of these claims. */
  membership({ peerId }: Pick<SealedHost, 'peerId'>, init: CredentialInit = {}): FleetMembership {
    const membership = new FleetMembership({ fleetId: this.fleetId, peerId });
    membership.takeCredential(this.issue(peerId, init));
    return membership;
  }

  /** What seals an exchange of a host of this fleet. */
  sealOf(host: SealedHost, fleet = this.membership(host)): ExchangeSeal {
    return { ...sealOf(host), fleet };
  }
}
