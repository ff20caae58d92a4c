import { PeerError } from '../errors.ts';
import { hostKeyOfPeerId } from './host-key.ts';
import type { Identity } from './identity.ts';

/** A kind of text that a fleet's key signs. */
export interface SignedLineKind {
  /** What it is called in messages, with its article. */
  readonly what: string;
  /**
   * Stands before what is signed, so that a text of one kind is never one of another. It ends with a
   * line feed, which no domain has within.
   */
  readonly domain: string;
  readonly maxLength: number;
}

/** Why a text that a fleet's key should have signed is not believed. */
export type CredentialFault =
  'malformed' | 'signature' | 'peer' | 'role' | 'early' | 'expired' | 'revoked' | 'older';

const signatureBytes = 64;
const parts = /^([\w-]+)\.([\w-]+)$/;

/** @returns base64url(JSON) + '.' + base64url(ed25519 signature over the domain and the JSON) */
export function signLine(
  key: Pick<Identity, 'sign'>,
  { domain }: SignedLineKind,
  json: string,
): string {
  const payload = Buffer.from(json);
  const signature = Buffer.from(key.sign(signedBytes(domain, payload)));
  return `${payload.toString('base64url')}.${signature.toString('base64url')}`;
}

/**
 * The JSON text in a line that the fleet's key has signed. Its fields are for the caller to check.
 * @throws PeerError PEER_NOT_MEMBER
 */
export function openSignedLine(text: string, kind: SignedLineKind, fleetId: string): string {
  const { what, domain, maxLength } = kind;
  if (text.length > maxLength) {
    const size = `${text.length} characters, ${maxLength} are allowed`;
    throw refusedLine('malformed', `${what} has ${size}`);
  }
  const [, first = '', second = ''] = parts.exec(text) ?? [];
  const payload = canonicalBytes(first);
  const signature = canonicalBytes(second);
  if (payload === undefined || signature?.length !== signatureBytes) {
    throw refusedLine('malformed', `${what} is not of the form DATA.SIGNATURE in base64url`);
  }
  if (!hostKeyOfPeerId(fleetId).verifies(signedBytes(domain, payload), signature)) {
    throw refusedLine('signature', `${what} is not signed by the key of the fleet ${fleetId}`, {
      fleetId,
    });
  }
  return payload.toString('utf8');
}

export const refusedLine = (
  why: CredentialFault,
  message: string,
  evidence: Readonly<Record<string, unknown>> = {},
): PeerError => new PeerError('PEER_NOT_MEMBER', message, { evidence: { why, ...evidence } });

const signedBytes = (domain: string, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(domain), payload]);

/** Node reads base64 leniently; here one text has one reading, and the other way round. */
function canonicalBytes(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return text !== '' && bytes.toString('base64url') === text ? bytes : undefined;
}

/** A time as `Date.toISOString` writes it, of a year of four digits. */
export function isTimeText(value: unknown): value is string {
  if (typeof value !== 'string' || value.length !== 24) return false;
  const time = new Date(value);
  return !Number.isNaN(time.getTime()) && time.toISOString() === value;
}
