import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError, PeerError } from '../../../src/errors.ts';
import { isAppPattern, matchesApp } from '../../../src/trust/app-pattern.ts';
import {
  clockSkewMs,
  issueCredential,
  mayFetch,
  mayHave,
  mayJoinSwarms,
  maxCredentialLength,
  verifyCredential,
  type CredentialClaims,
} from '../../../src/trust/credential.ts';
import { Identity } from '../../../src/trust/identity.ts';
import { readRevocations, signRevocations } from '../../../src/trust/revocation-list.ts';

const fleetKey = Identity.generate();
const host = Identity.generate();
const issuedMs = Date.parse('2026-05-01T10:00:00.000Z');
const expiresMs = issuedMs + 3_600_000;
const good: CredentialClaims = {
  peerId: host.peerId,
  roles: ['host'],
  apps: ['hello', 'team-*'],
  labels: { zone: 'z1', rack: 'r1' },
  issuedAt: new Date(issuedMs).toISOString(),
  expiresAt: new Date(expiresMs).toISOString(),
};
const text = issueCredential(fleetKey, good);

const verify = (
  credential: string,
  init: { fleetId?: string; peerId?: string; nowMs?: number; revoked?: string[] } = {},
) =>
  verifyCredential(credential, {
    fleetId: init.fleetId ?? fleetKey.peerId,
    peerId: init.peerId ?? host.peerId,
    now: new Date(init.nowMs ?? issuedMs + 1_000),
    revocations: init.revoked && { peerIds: new Set(init.revoked) },
  });

/** Why a credential is refused; undefined when it is taken. */
function refusal(...args: Parameters<typeof verify>): unknown {
  try {
    verify(...args);
    return undefined;
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return error.evidence.why;
  }
}

/** A line that the fleet's key has signed, whatever it says. */
function signed(payload: string, domain = 'starling credential 1\n', key = fleetKey): string {
  const signature = Buffer.from(key.sign(Buffer.from(domain + payload)));
  return `${Buffer.from(payload).toString('base64url')}.${signature.toString('base64url')}`;
}

const payload = Buffer.from(text.split('.')[0] ?? '', 'base64url').toString();

describe('a credential', () => {
  test('says what was signed, in one line, sorted', () => {
    expect(verify(text)).toEqual(good);
    expect(text).toMatch(/^[\w-]+\.[\w-]+$/);
    const shuffled = {
      ...good,
      apps: ['team-*', 'hello', 'hello'],
      labels: { rack: 'r1', zone: 'z1' },
    };
    expect(issueCredential(fleetKey, shuffled)).toBe(text);
    expect(signed(payload)).toBe(text);
  });

  test('is refused with any bit of it changed', () => {
    const bytes = Buffer.from(text);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(refusal(changed.toString('latin1')), `bit ${bit}`).toMatch(/malformed|signature/);
    }
  });

  test('is refused when it is cut, longer, or in another form of base64', () => {
    for (const other of [
      text.slice(0, -1),
      `${text}A`,
      `${text}\n`,
      ` ${text}`,
      `${text}=`,
      text.replace('.', '..'),
      text.split('.')[0] ?? '',
      '',
      '.',
      'A'.repeat(maxCredentialLength + 1),
      `${text}${'A'.repeat(maxCredentialLength)}`,
    ]) {
      expect(refusal(other), other.slice(0, 40)).toMatch(/malformed|signature/);
    }
  });

  test('of another fleet, or signed by the member itself, is refused', () => {
    expect(refusal(issueCredential(Identity.generate(), good))).toBe('signature');
    expect(refusal(issueCredential(host, good))).toBe('signature');
    expect(refusal(text, { fleetId: host.peerId })).toBe('signature');
  });

  test('of another member is refused', () => {
    expect(refusal(text, { peerId: Identity.generate().peerId })).toBe('peer');
  });

  test('is good from when it is issued to when it expires, clocks that differ considered', () => {
    const why = (nowMs: number) => refusal(text, { nowMs });
    expect(why(issuedMs - clockSkewMs - 1)).toBe('early');
    expect(why(issuedMs - clockSkewMs)).toBeUndefined();
    expect(why(expiresMs + clockSkewMs - 1)).toBeUndefined();
    expect(why(expiresMs + clockSkewMs)).toBe('expired');
  });

  test('of a revoked member is refused', () => {
    expect(refusal(text, { revoked: [host.peerId] })).toBe('revoked');
    expect(refusal(text, { revoked: [fleetKey.peerId] })).toBeUndefined();
  });

  test('is not a revocation list, nor the other way round', () => {
    const list = signRevocations(fleetKey, { number: 1, peerIds: [], issuedAt: good.issuedAt });
    expect(refusal(list)).toBe('signature');
    expect(() => readRevocations(text, { fleetId: fleetKey.peerId })).toThrow('not signed');
    expect(refusal(signed(payload, 'starling revocations 1\n'))).toBe('signature');
    expect(refusal(signed(payload, ''))).toBe('signature');
  });

  const claims = JSON.parse(payload) as Record<string, unknown>;
  test.each<[string, string]>([
    ['a field more', JSON.stringify({ ...claims, only: 'rack r1' })],
    ['a field less', JSON.stringify({ ...claims, labels: undefined })],
    ['another order', JSON.stringify({ apps: claims.apps, ...claims })],
    ['white space', JSON.stringify(claims, null, 1)],
    ['a field twice', payload.replace('{', `{"peerId":"${host.peerId}",`)],
    ['an escape', payload.replace('hello', '\\u0068ello')],
    ['apps that are not sorted', JSON.stringify({ ...claims, apps: ['b', 'a'] })],
    ['an app twice', JSON.stringify({ ...claims, apps: ['a', 'a'] })],
    ['a pattern with a star within', JSON.stringify({ ...claims, apps: ['a*b'] })],
    ['an app that is a number', JSON.stringify({ ...claims, apps: [1] })],
    [
      'too many apps',
      JSON.stringify({ ...claims, apps: Array.from({ length: 65 }, (_, at) => `a${at + 100}`) }),
    ],
    ['no role', JSON.stringify({ ...claims, roles: [] })],
    ['an unknown role', JSON.stringify({ ...claims, roles: ['root'] })],
    [
      'a role that is a word of every object',
      JSON.stringify({ ...claims, roles: ['constructor'] }),
    ],
    ['a label with a line feed', JSON.stringify({ ...claims, labels: { zone: 'a\n' } })],
    ['a label of the prototype', payload.replace('"rack"', '"__proto__"')],
    ['labels in a list', JSON.stringify({ ...claims, labels: [] })],
    ['a time without milliseconds', payload.replace('10:00:00.000Z', '10:00:00Z')],
    ['a time that is none', payload.replace('2026-05-01T10:', '2026-05-41T10:')],
    ['a time that is a number', payload.replace(/"issuedAt":"[^"]*"/, `"issuedAt":${issuedMs}`)],
    ['an end before its start', payload.replace('T11:', 'T09:')],
    ['a peer id that is none', JSON.stringify({ ...claims, peerId: '12D3KooW' })],
    ['nothing in it', 'null'],
    ['a text in it', '"x"'],
    ['no JSON in it', '{'],
  ])('with %s is refused, though the fleet has signed it', (_, said) => {
    expect(said).not.toBe(payload);
    expect(refusal(signed(said))).toBe('malformed');
  });

  test('of any text is refused as the fault of who sent it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (said) => {
        expect(refusal(said)).toBeDefined();
        expect(refusal(signed(said))).toBeDefined();
      }),
    );
  });

  test('that nobody would take is not issued', () => {
    const many = Array.from({ length: 60 }, (_, at) => `${'a'.repeat(90)}${at}`);
    for (const wrong of [
      { roles: [] },
      { apps: ['*x'] },
      { apps: ['Hello'] },
      { labels: { Zone: 'z' } },
      { labels: { zone: '' } },
      { peerId: 'me' },
      { expiresAt: good.issuedAt },
      { apps: many },
    ]) {
      expect(() => issueCredential(fleetKey, { ...good, ...wrong })).toThrow(ConfigError);
    }
  });
});

const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);

describe('what a member may fetch', () => {
  const may = (apps: string[], app: string) => mayFetch({ ...good, apps }, app);

  test('is what a pattern names: one app, names that begin so, or all', () => {
    expect(may(['hello'], 'hello')).toBe(true);
    expect(may(['hello'], 'hello-2')).toBe(false);
    expect(may(['hello'], 'hell')).toBe(false);
    expect(may(['team-*'], 'team-a')).toBe(true);
    expect(may(['team-*'], 'team-')).toBe(true);
    expect(may(['team-*'], 'team')).toBe(false);
    expect(may(['team-*'], 'a-team-b')).toBe(false);
    expect(may(['a.c'], 'abc')).toBe(false);
    expect(may(['*'], 'x')).toBe(true);
    expect(may([], 'x')).toBe(false);
  });

  test('by any pattern is what has its beginning, and never more', () => {
    fc.assert(
      fc.property(name, name, (start, app) => {
        expect(isAppPattern(start)).toBe(true);
        expect(matchesApp(start, app)).toBe(start === app);
        expect(matchesApp(`${start}*`, app)).toBe(app.startsWith(start));
        expect(matchesApp(`${start}*`, start + app)).toBe(true);
      }),
    );
  });

  test('of an image is decided by any of its apps, and of one of unknown apps by the star alone', () => {
    const have = (patterns: string[], apps: string[]) => mayHave({ ...good, apps: patterns }, apps);
    expect(have(['b'], ['a', 'b'])).toBe(true);
    expect(have(['c'], ['a', 'b'])).toBe(false);
    expect(have(['a', 'b*'], [])).toBe(false);
    expect(have(['*'], [])).toBe(true);
  });
});

test('who is only an operator takes no part in swarms', () => {
  const joins = (roles: CredentialClaims['roles']) => mayJoinSwarms({ ...good, roles });
  expect(joins(['host'])).toBe(true);
  expect(joins(['operator', 'seeder'])).toBe(true);
  expect(joins(['operator'])).toBe(false);
});
