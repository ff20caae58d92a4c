import { ConfigError } from '../errors.ts';
import {
  expired,
  isExpired,
  mayHave,
  mayJoinSwarms,
  readCredential,
  type CredentialClaims,
} from './credential.ts';
import { isFleetId } from './host-key.ts';
import { readRevocations, type RevocationList } from './revocation-list.ts';

/**
 * How this host belongs to a fleet with a key: its own credential, and who is revoked, as of now. Both
 * come from a file or from the control plane, again and again while the host runs.
 */
export class FleetMembership {
  readonly fleetId: string;
  readonly peerId: string;
  /** Called when there is another credential, or a newer revocation list. */
  onChange: (() => void) | undefined;
  #credential: { readonly text: string; readonly claims: CredentialClaims } | undefined;
  #revocations: RevocationList | undefined;

  /** @throws ConfigError CONFIG_INVALID when the fleet's id is none */
  constructor(init: { readonly fleetId: string; readonly peerId: string }) {
    if (!isFleetId(init.fleetId)) {
      const seen = init.fleetId.slice(0, 80);
      throw new ConfigError(
        'CONFIG_INVALID',
        `"${seen}" is not the id of a fleet as \`tracker fleet init\` prints it (12D3Koo…)`,
      );
    }
    this.fleetId = init.fleetId;
    this.peerId = init.peerId;
  }

  /** What this host shows others. */
  get credential(): string | undefined {
    return this.#credential?.text;
  }

  get claims(): CredentialClaims | undefined {
    return this.#credential?.claims;
  }

  get revocations(): RevocationList | undefined {
    return this.#revocations;
  }

  isRevoked(peerId: string): boolean {
    return this.#revocations?.peerIds.has(peerId) === true;
  }

  /**
   * Takes this host's newest credential. One that has expired is taken too, so that a host that was
   * off for long can start: others will refuse it, and `whyOutcast` says so.
   * @throws PeerError as `readCredential`; what was there stays
   */
  takeCredential(text: string): void {
    const line = text.trim();
    if (line === this.credential) return;
    this.#credential = { text: line, claims: readCredential(line, this) };
    this.onChange?.();
  }

  /**
   * Takes a revocation list. The one that is known already is no change.
   * @throws PeerError as `readRevocations`, also for an older one; what was there stays
   */
  takeRevocations(text: string): void {
    const list = readRevocations(text.trim(), {
      fleetId: this.fleetId,
      newest: this.#revocations,
    });
    if (list === this.#revocations) return;
    this.#revocations = list;
    this.onChange?.();
  }

  /** Why others will not speak with this host, as far as it knows that itself. */
  whyOutcast(now: Date): string | undefined {
    const { claims, peerId } = this;
    if (claims === undefined) {
      return `this host, ${peerId}, has no credential of its fleet yet, so others refuse it`;
    }
    if (isExpired(claims, now))
      return `${expired(claims).message}: it is this host's own, so others refuse it`;
    if (this.isRevoked(peerId)) return `this host, ${peerId}, is revoked, so others refuse it`;
    if (mayJoinSwarms(claims)) return undefined;
    return `this host, ${peerId}, is neither host nor seeder by its credential, so others refuse it`;
  }

  /** Why others will not give this host an image of these apps, as far as it knows that itself. */
  whyNotFor(apps: readonly string[]): string | undefined {
    const { claims } = this;
    if (claims === undefined || mayHave(claims, apps)) return undefined;
    const what = apps.length === 0 ? 'an image of no known app' : `the app ${apps.join(', ')}`;
    return `the credential of this host, ${this.peerId}, allows ${claims.apps.join(', ') || 'no app'}, and not ${what}`;
  }
}
