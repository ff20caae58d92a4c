import { ConfigError } from '../errors.ts';
import { isPeerId } from './host-key.ts';
import type { Identity } from './identity.ts';
import {
  isTimeText,
  openSignedLine,
  refusedLine,
  signLine,
  type SignedLineKind,
} from './signed-line.ts';

/** Who is not a member any more, though a credential of his may still be good. */
export interface RevocationList {
  /** Of two lists of a fleet the one with the higher number holds. */
  readonly number: number;
  readonly peerIds: ReadonlySet<string>;
  /** ISO 8601, UTC. */
  readonly issuedAt: string;
  /** The signed line. */
  readonly text: string;
}

/** So many fit in one message of the control plane. Whose credentials have all expired need not stay. */
export const maxRevoked = 3_000;
const maxListLength = 240 << 10;

const kind: SignedLineKind = {
  what: 'the revocation list',
  domain: 'starling revocations 1\n',
  maxLength: maxListLength,
};

interface Content {
  readonly number: number;
  readonly peerIds: readonly string[];
  readonly issuedAt: string;
}

/**
 * Makes a revocation list: one line of text, at most 240 KiB.
 * @throws ConfigError CONFIG_INVALID when it is none, or too long
 */
export function signRevocations(
  fleetKey: Pick<Identity, 'sign'>,
  content: { number: number; peerIds: Iterable<string>; issuedAt: string },
): string {
  const whole = { ...content, peerIds: [...new Set(content.peerIds)].sort() };
  const wrong = faultOf(whole);
  if (wrong !== undefined) throw new ConfigError('CONFIG_INVALID', `no revocation list: ${wrong}`);
  return signLine(fleetKey, kind, textOf(whole));
}

/**
 * Reads a revocation list of this fleet.
 * @param init newest: the newest list that was seen; an older one is refused, since it would give
 *   back what was taken
 * @throws PeerError PEER_NOT_MEMBER
 */
export function readRevocations(
  text: string,
  { fleetId, newest }: { readonly fleetId: string; readonly newest?: RevocationList | undefined },
): RevocationList {
  if (text === newest?.text) return newest;
  const json = openSignedLine(text, kind, fleetId);
  const content = parseContent(json);
  const { number, peerIds, issuedAt } = content;
  if (newest !== undefined && number <= newest.number) {
    const known = `number ${newest.number} is known`;
    throw refusedLine('older', `the revocation list is number ${number}, and ${known}`, {
      number,
      newest: newest.number,
    });
  }
  return { number, peerIds: new Set(peerIds), issuedAt, text };
}

/** @throws PeerError PEER_NOT_MEMBER */
function parseContent(json: string): Content {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  const wrong = faultOf(value);
  // One list has one text: sorted, with no other field.
  if (wrong === undefined && textOf(value as Content) === json) return value as Content;
  const what = wrong ?? 'it has unknown fields, or another order';
  throw refusedLine('malformed', `the revocation list is malformed: ${what}`);
}

const textOf = ({ number, peerIds, issuedAt }: Content): string =>
  JSON.stringify({ number, peerIds: [...new Set(peerIds)].sort(), issuedAt });

function faultOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'it is no JSON object';
  const { number, peerIds, issuedAt }: Partial<Record<keyof Content, unknown>> = value;
  if (!Number.isSafeInteger(number) || Number(number) < 1) return 'its number is not from 1 on';
  if (!isTimeText(issuedAt)) return 'issuedAt is no time';
  if (!Array.isArray(peerIds) || peerIds.length > maxRevoked) {
    return `it names more than ${maxRevoked} peer ids: leave out whose credentials have expired`;
  }
  const all: readonly unknown[] = peerIds;
  const areIds = all.every((id) => typeof id === 'string' && isPeerId(id));
  return areIds ? undefined : 'it names something that is no peer id (12D3Koo…)';
}
