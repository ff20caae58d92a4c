import { ConfigError, type PeerError } from '../errors.ts';
import {
  isExpired,
  mayHave,
  revoked,
  type CredentialClaims,
  type FleetMembership,
} from '../trust/sealed.ts';
import type { DataLanes } from './data/data-lanes.ts';
import { notMemberAnyMore, whyOutcast } from './refusals.ts';

export interface SealedMembersInit {
  /** Of this host, where it is sealed. */
  readonly peerId: string | undefined;
  /** With a fleet's key members show credentials; without, they are named. */
  readonly fleet: FleetMembership | undefined;
}

/** Who may have a sealed connection, and which images, as the main thread knows it and tells data planes. */
export class SealedMembers {
  readonly #lanes: Pick<DataLanes, 'postAll'>;
  readonly #init: SealedMembersInit;
  #names: ReadonlySet<string> = new Set();

  constructor(components: { lanes: Pick<DataLanes, 'postAll'> }, init: SealedMembersInit) {
    this.#lanes = components.lanes;
    this.#init = init;
  }

  /** Members are these from now on. */
  setNames(peerIds: ReadonlySet<string>): void {
    this.#names = peerIds;
    this.#lanes.postAll({ type: 'members', peerIds: [...peerIds] });
  }

  /** Tells the credential of this host and who is revoked, as of now. */
  tellFleet(): void {
    const { fleet } = this.#init;
    if (fleet === undefined) return;
    const { fleetId, credential, revocations } = fleet;
    const pass = { fleetId, credential, revoked: [...(revocations?.peerIds ?? [])] };
    this.#lanes.postAll({ type: 'fleet', pass });
  }

  /** What this host's own credential says, as of now. */
  get ownClaims(): CredentialClaims | undefined {
    return this.#init.fleet?.claims;
  }

  /**
   * Whether a connection has ended because a credential has, and a new one can do better: with the same
   * expired credentials it would be refused by this side, or begin and end again and again.
   * @param shown what this host showed when it began
   */
  hasExpired(peer: CredentialClaims | undefined, shown: CredentialClaims | undefined): boolean {
    const now = new Date();
    const isOver = (claims: CredentialClaims | undefined) =>
      claims !== undefined && isExpired(claims, now);
    return isOver(peer) || (isOver(shown) && !isOver(this.ownClaims));
  }

  /** Why a peer that was let in must go, though its credential may still be good. */
  whyEnd(peerId: string): PeerError | undefined {
    const { fleet } = this.#init;
    if (fleet !== undefined) return fleet.isRevoked(peerId) ? revoked(peerId) : undefined;
    return this.#names.has(peerId) ? undefined : notMemberAnyMore(peerId);
  }

  /** Whether a peer may have an image of these apps. Who is known by name, or not at all, may have all. */
  mayHave(claims: CredentialClaims | undefined, apps: readonly string[]): boolean {
    return claims === undefined || mayHave(claims, apps);
  }

  /** Why no host may speak with this one, where it knows that itself. */
  whyOutcast(): string | undefined {
    const { fleet, peerId } = this.#init;
    return fleet === undefined ? whyOutcast(peerId, this.#names) : fleet.whyOutcast(new Date());
  }

  /** The same as an error, to be warned of. */
  outcast(): ConfigError | undefined {
    const why = this.whyOutcast();
    return why === undefined ? undefined : new ConfigError('CONFIG_INVALID', why);
  }

  /** Why this host may find nobody for an image of these apps. */
  whyAlone(apps: readonly string[]): string | undefined {
    return this.whyOutcast() ?? this.#init.fleet?.whyNotFor(apps);
  }
}
