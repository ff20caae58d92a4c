import { PeerError } from '../../errors.ts';
import {
  expired,
  isExpired,
  mayJoinSwarms,
  revoked,
  verifyCredential,
  type CredentialClaims,
} from '../../trust/sealed.ts';
import { encodeCredentialFrame } from './credential-frame.ts';

/** Who is at the other end of a sealed connection. */
export interface SealedPeer {
  /** The peer id that the certificate proves. */
  readonly peerId: string;
  /** What its credential says; undefined where members are known by a file. */
  readonly claims: CredentialClaims | undefined;
}

/** How a host belongs to a fleet with a key, as data threads are told. */
export interface FleetPass {
  readonly fleetId: string;
  /** What this host shows; undefined: it has none yet, and speaks with nobody. */
  readonly credential: string | undefined;
  /** The peer ids that are revoked. */
  readonly revoked: readonly string[];
}

/** Who may be spoken with on the sealed transport. Before it is told anything: nobody. */
export class Admission {
  #members: ReadonlySet<string> = new Set();
  #fleet:
    | {
        readonly id: string;
        readonly frame: Buffer | undefined;
        readonly revocations: { readonly peerIds: ReadonlySet<string> };
      }
    | undefined;

  /** The members are these. */
  setMembers(peerIds: Iterable<string>): void {
    this.#members = new Set(peerIds);
  }

  /** Members are who shows a credential of this fleet. */
  setFleet({ fleetId, credential, revoked: peerIds }: FleetPass): void {
    const frame = credential === undefined ? undefined : encodeCredentialFrame(credential);
    this.#fleet = { id: fleetId, frame, revocations: { peerIds: new Set(peerIds) } };
  }

  /** Whether who has proved its peer id must show a credential, too. */
  get asksForCredential(): boolean {
    return this.#fleet !== undefined;
  }

  /** What this side shows. @throws PeerError PEER_NOT_MEMBER while it has nothing to show */
  get ownFrame(): Buffer {
    const frame = this.#fleet?.frame;
    if (frame !== undefined) return frame;
    throw new PeerError('PEER_NOT_MEMBER', 'this host has no credential of its fleet yet');
  }

  /**
   * Refuses at once who can't be a member, whatever it shows.
   * @throws PeerError PEER_NOT_MEMBER
   */
  checkPeer(peerId: string): void {
    if (this.#fleet === undefined) {
      if (!this.#members.has(peerId)) throw notMember(peerId);
    } else if (this.#fleet.revocations.peerIds.has(peerId)) throw revoked(peerId);
  }

  /**
   * Lets a peer in by the credential that it shows.
   * @throws PeerError PEER_NOT_MEMBER, or PEER_IDENTITY for the credential of another
   */
  admit(credential: string, peerId: string, now: Date): CredentialClaims {
    if (this.#fleet === undefined) throw notMember(peerId);
    const { id, revocations } = this.#fleet;
    const claims = verifyCredential(credential, { fleetId: id, peerId, now, revocations });
    if (mayJoinSwarms(claims)) return claims;
    throw new PeerError(
      'PEER_NOT_MEMBER',
      `${peerId} is neither host nor seeder: its credential says ${claims.roles.join(', ')}`,
      { evidence: { why: 'role', peerId } },
    );
  }

  /** Why a peer that was let in by its credential must go by now. */
  whyEnd({ peerId, claims }: SealedPeer, now: Date): PeerError | undefined {
    if (claims === undefined || this.#fleet === undefined) return undefined;
    if (this.#fleet.revocations.peerIds.has(peerId)) return revoked(peerId);
    return isExpired(claims, now) ? expired(claims) : undefined;
  }
}

const notMember = (peerId: string): PeerError =>
  new PeerError('PEER_NOT_MEMBER', `${peerId} is not a member of this fleet`, {
    evidence: { peerId },
  });
