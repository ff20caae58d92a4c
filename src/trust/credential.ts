import { ConfigError, PeerError } from '../errors.ts';
import { everyApp, isAppPattern, matchesApp } from './app-pattern.ts';
import { isPeerId } from './host-key.ts';
import type { Identity } from './identity.ts';
import {
  isTimeText,
  openSignedLine,
  refusedLine,
  signLine,
  type SignedLineKind,
} from './signed-line.ts';

/** What a member may be. Only a host or a seeder takes part in swarms. */
export const memberRoles = ['host', 'operator', 'seeder'] as const;
export type MemberRole = (typeof memberRoles)[number];

/** What a credential says. */
export interface CredentialClaims {
  /** Whom it is about. */
  readonly peerId: string;
  readonly roles: readonly MemberRole[];
  /** Which apps it may fetch: patterns, see app-pattern.ts. */
  readonly apps: readonly string[];
  /** Where the member stands, and whatever else its operator says of it: zone, rack, … */
  readonly labels: Readonly<Record<string, string>>;
  /** ISO 8601, UTC, as `Date.toISOString` writes it. */
  readonly issuedAt: string;
  readonly expiresAt: string;
}

/** Clocks of members may differ by so much: a credential is good that much before and after. */
export const clockSkewMs = 60_000;
export const maxCredentialLength = 4_096;
const maxApps = 64;
const maxLabels = 32;

const labelName = /^[a-z][a-z0-9._-]{0,63}$/;
const labelValue = /^[\w.-]{1,64}$/;

const kind: SignedLineKind = {
  what: 'the credential',
  domain: 'starling credential 1\n',
  maxLength: maxCredentialLength,
};

/**
 * Makes a credential: one line of text, below 4 KiB.
 * @throws ConfigError CONFIG_INVALID for claims that nobody would take
 */
export function issueCredential(
  fleetKey: Pick<Identity, 'sign'>,
  claims: CredentialClaims,
): string {
  const wrong = faultOf(claims);
  if (wrong !== undefined) throw new ConfigError('CONFIG_INVALID', `no credential: ${wrong}`);
  const text = signLine(fleetKey, kind, textOf(claims));
  if (text.length <= maxCredentialLength) return text;
  throw new ConfigError(
    'CONFIG_INVALID',
    `no credential: with so many apps and labels it would have ${text.length} characters, ${maxCredentialLength} are allowed`,
  );
}

/**
 * What a credential says, whether or not it is good at the moment. It is taken in its one canonical
 * form alone: sorted, without white space, and with no other field than ours, for a field that is
 * not understood may be one that restricts.
 * @throws PeerError PEER_NOT_MEMBER when it is malformed or not of this fleet, PEER_IDENTITY when it
 *   is about somebody else
 */
export function readCredential(
  text: string,
  { fleetId, peerId }: { readonly fleetId: string; readonly peerId: string },
): CredentialClaims {
  const json = openSignedLine(text, kind, fleetId);
  const claims = parseClaims(json);
  if (claims.peerId !== peerId) {
    throw new PeerError(
      'PEER_IDENTITY',
      `the credential is about ${claims.peerId}, and ${peerId} shows it`,
      { evidence: { why: 'peer', expected: peerId, actual: claims.peerId } },
    );
  }
  return claims;
}

/**
 * What a credential says that is good now: as `readCredential`, and neither expired, nor of the future,
 * nor of somebody who is revoked.
 * @throws PeerError PEER_NOT_MEMBER, PEER_IDENTITY; `evidence.why` says which check it was
 */
export function verifyCredential(
  text: string,
  init: {
    readonly fleetId: string;
    readonly peerId: string;
    readonly now: Date;
    readonly revocations: { readonly peerIds: ReadonlySet<string> } | undefined;
  },
): CredentialClaims {
  const claims = readCredential(text, init);
  const { now, peerId, revocations } = init;
  const here = now.toISOString();
  if (Date.parse(claims.issuedAt) - clockSkewMs > now.getTime()) {
    const why = `the credential of ${peerId} is of ${claims.issuedAt}, and here it is ${here}`;
    throw refusedLine('early', `${why}: set the clocks of both hosts`, { peerId });
  }
  if (isExpired(claims, now)) throw expired(claims);
  if (revocations?.peerIds.has(peerId) === true) throw revoked(peerId);
  return claims;
}

/** Whether it is over, clocks that differ considered. */
export const isExpired = ({ expiresAt }: CredentialClaims, now: Date): boolean =>
  now.getTime() >= Date.parse(expiresAt) + clockSkewMs;

export const expired = ({ peerId, expiresAt }: CredentialClaims): PeerError =>
  refusedLine('expired', `the credential of ${peerId} has expired at ${expiresAt}`, { peerId });

export const revoked = (peerId: string): PeerError =>
  refusedLine('revoked', `${peerId} is revoked`, { peerId });

/** Whether the member takes part in swarms: its role is that of a host or a seeder. */
export const mayJoinSwarms = ({ roles }: CredentialClaims): boolean =>
  roles.includes('host') || roles.includes('seeder');

/** Whether the member may have this app's images. */
export const mayFetch = ({ apps }: CredentialClaims, app: string): boolean =>
  apps.some((pattern) => matchesApp(pattern, app));

/**
 * Whether the member may have an image that is of these apps: one of them is enough, for the bytes are
 * the same. Of an image of which no app is known only who may have all.
 */
export function mayHave(claims: CredentialClaims, apps: readonly string[]): boolean {
  if (apps.length === 0) return claims.apps.includes(everyApp);
  return apps.some((app) => mayFetch(claims, app));
}

/** @throws PeerError PEER_NOT_MEMBER */
function parseClaims(json: string): CredentialClaims {
  const claims = parseJson(json);
  const wrong = faultOf(claims);
  if (wrong !== undefined) throw refusedLine('malformed', `the credential is malformed: ${wrong}`);
  // Nothing is in it that this text would not have, and all is where it is there.
  if (textOf(claims as CredentialClaims) === json) return claims as CredentialClaims;
  throw refusedLine('malformed', 'the credential has fields that are unknown, or in another order');
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** The one way to write claims. */
function textOf(claims: CredentialClaims): string {
  const { peerId, roles, apps, labels, issuedAt, expiresAt } = claims;
  return JSON.stringify({
    peerId,
    roles: sorted(roles),
    apps: sorted(apps),
    labels: Object.fromEntries(sorted(Object.keys(labels)).map((name) => [name, labels[name]])),
    issuedAt,
    expiresAt,
  });
}

const sorted = (texts: readonly string[]): string[] => [...new Set(texts)].sort();

/** What is wrong with claims, if anything. */
function faultOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'it is no JSON object';
  const claims: Partial<Record<keyof CredentialClaims, unknown>> = value;
  const { peerId, roles, apps, labels, issuedAt, expiresAt } = claims;
  if (typeof peerId !== 'string' || !isPeerId(peerId)) return 'peerId is no peer id (12D3Koo…)';
  const isRole = (role: string) => memberRoles.some((known) => known === role);
  if (!isListOf(roles, memberRoles.length, isRole) || roles.length === 0) {
    return `roles are one or more of ${memberRoles.join(', ')}`;
  }
  if (!isListOf(apps, maxApps, isAppPattern)) {
    return `apps are at most ${maxApps} patterns: a name, the start of names and a star, or a star`;
  }
  if (!areLabels(labels)) {
    return `labels are at most ${maxLabels}: names of lower case letters, digits, . _ and -, the first a letter; values of letters, digits, . _ and -; each 64 characters at most`;
  }
  if (!isTimeText(issuedAt) || !isTimeText(expiresAt)) return 'issuedAt and expiresAt are times';
  return issuedAt < expiresAt ? undefined : 'it expires before it is issued';
}

const isListOf = (
  value: unknown,
  most: number,
  isOne: (text: string) => boolean,
): value is string[] =>
  Array.isArray(value) &&
  value.length <= most &&
  value.every((item) => typeof item === 'string' && isOne(item));

function areLabels(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const all: [string, unknown][] = Object.entries(value);
  return (
    all.length <= maxLabels &&
    all.every(
      ([name, label]) =>
        labelName.test(name) && typeof label === 'string' && labelValue.test(label),
    )
  );
}
