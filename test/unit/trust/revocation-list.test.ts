import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigError, PeerError } from '../../../src/errors.ts';
import { FleetMembership } from '../../../src/trust/fleet-membership.ts';
import { Identity } from '../../../src/trust/identity.ts';
import {
  maxRevoked,
  readRevocations,
  signRevocations,
} from '../../../src/trust/revocation-list.ts';

const fleetKey = Identity.generate();
const fleetId = fleetKey.peerId;
const [a, b] = [Identity.generate().peerId, Identity.generate().peerId].sort() as [string, string];
const issuedAt = '2026-05-01T10:00:00.000Z';
const listOf = (number: number, ...peerIds: string[]) =>
  signRevocations(fleetKey, { number, peerIds, issuedAt });

function refusal(text: string, newest?: string): unknown {
  try {
    const known = newest === undefined ? undefined : readRevocations(newest, { fleetId });
    readRevocations(text, { fleetId, newest: known });
    return undefined;
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return error.evidence.why;
  }
}

test('a revocation list says who is revoked, in one text', () => {
  const text = listOf(3, b, a, b);
  expect(readRevocations(text, { fleetId })).toEqual({
    number: 3,
    peerIds: new Set([a, b]),
    issuedAt,
    text,
  });
  expect(listOf(3, a, b)).toBe(text);
  expect(readRevocations(listOf(1), { fleetId }).peerIds.size).toBe(0);
});

test('an older one is refused, and one of the same number that is another', () => {
  expect(refusal(listOf(2, a), listOf(1))).toBeUndefined();
  expect(refusal(listOf(2, a), listOf(2, a))).toBeUndefined();
  expect(refusal(listOf(2), listOf(2, a))).toBe('older');
  expect(refusal(listOf(1, a, b), listOf(2, a))).toBe('older');
});

test('one that is changed in any bit, or of another fleet, is refused', () => {
  const bytes = Buffer.from(listOf(1, a));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(refusal(changed.toString('latin1')), `bit ${bit}`).toMatch(/malformed|signature/);
  }
  const other = signRevocations(Identity.generate(), { number: 9, peerIds: [a], issuedAt });
  expect(refusal(other)).toBe('signature');
});

test('whatever the key has signed that is no list is refused', () => {
  const signed = (payload: string) => {
    const signature = Buffer.from(fleetKey.sign(Buffer.from(`starling revocations 1\n${payload}`)));
    return `${Buffer.from(payload).toString('base64url')}.${signature.toString('base64url')}`;
  };
  const known = JSON.stringify({ number: 1, peerIds: [a], issuedAt });
  expect(refusal(signed(known))).toBeUndefined();
  for (const wrong of [
    known.replace('1', '0'),
    known.replace('1', '1.5'),
    known.replace(a, 'x'),
    known.replace('}', ',"more":1}'),
    `${known} `,
    JSON.stringify({ number: 1, peerIds: [b, a], issuedAt }),
    JSON.stringify({ number: 1, peerIds: [a, a], issuedAt }),
  ]) {
    expect(refusal(signed(wrong)), wrong).toBe('malformed');
  }
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      expect(refusal(signed(text))).toBe('malformed');
      expect(refusal(text)).toBeDefined();
    }),
  );
});

test('the largest list fits, and a larger one is not signed', () => {
  // What counts is how long they are.
  const ids = Array.from({ length: maxRevoked + 1 }, () => Identity.generate().peerId);
  const most = listOf(1, ...ids.slice(1));
  expect(readRevocations(most, { fleetId }).peerIds.size).toBe(maxRevoked);
  expect(() => listOf(1, ...ids)).toThrow(ConfigError);
});

test('a host keeps the newest list, and tells of it once', () => {
  const membership = new FleetMembership({ fleetId, peerId: b });
  let changes = 0;
  membership.onChange = () => (changes += 1);
  membership.takeRevocations(`${listOf(2, a)}\n`);
  membership.takeRevocations(listOf(2, a));
  expect(() => {
    membership.takeRevocations(listOf(1));
  }).toThrow('number 2 is known');
  expect([changes, membership.isRevoked(a), membership.isRevoked(b)]).toEqual([1, true, false]);
  expect(() => new FleetMembership({ fleetId: 'fleet', peerId: b })).toThrow(ConfigError);
});
