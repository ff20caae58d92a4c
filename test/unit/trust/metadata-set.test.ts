import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigError, RepositoryError } from '../../../src/errors.ts';
import { summarizeSet, verifyUpdate, type MetadataSet } from '../../../src/trust/metadata-set.ts';
import { renew } from '../../../src/trust/sign-release.ts';
import { generateKey } from '../../../src/trust/signing-key.ts';
import {
  codeOf,
  createPublisher,
  edited,
  forge,
  imageNumber,
  makeRoot,
  releases,
  signAny,
  type Publisher,
} from './repository.ts';

const now = new Date('2030-01-01T00:00:00Z');
const past = '2029-12-31T23:59:59Z';

/** A publisher with two releases, and what a tracker that has the first says to a push. */
async function tracker() {
  const publisher = await createPublisher(now);
  const [first, second] = releases(publisher, 2, { now });
  if (second === undefined) throw new Error('there are two');
  const push = (
    next: MetadataSet,
    init: { root?: string; current?: MetadataSet; now?: Date } = {},
  ) => verifyUpdate({ root: publisher.root, current: first, next, now, ...init });
  return { publisher, first, second, push };
}

function refusalOf(call: () => unknown): RepositoryError {
  try {
    call();
  } catch (error) {
    if (error instanceof RepositoryError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

test('a good update is accepted, also as the first one and after several', async () => {
  const { first, second, push, publisher } = await tracker();
  push(second);
  verifyUpdate({ root: publisher.root, current: undefined, next: first, now });
  push(releases(publisher, 5, { now }).at(-1) ?? second);
});

test('an old set is refused, and so is the same set again', async () => {
  const { first, second, push } = await tracker();
  const old = refusalOf(() => push(first, { current: second }));
  expect(old).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    evidence: { role: 'timestamp', expected: 2, actual: 1 },
  });
  expect(refusalOf(() => push(second, { current: second })).code).toBe('REPOSITORY_ROLLBACK');
});

test('neither snapshot nor targets goes back under a newer timestamp', async () => {
  const { publisher, first, second, push } = await tracker();
  const oldSnapshot = forge(publisher, first, { timestamp: (signed) => (signed.version = 3) });
  expect(refusalOf(() => push(oldSnapshot, { current: second }))).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    message: expect.stringContaining('version 2 of snapshot.json was seen before') as string,
    evidence: { role: 'timestamp', expected: 2, actual: 1 },
  });
  const newer = (signed: { version: number }) => (signed.version = 3);
  const oldTargets = forge(publisher, first, { snapshot: newer, timestamp: newer });
  expect(refusalOf(() => push(oldTargets, { current: second }))).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    message: expect.stringContaining('version 2 of targets.json was seen before') as string,
    evidence: { role: 'snapshot', expected: 2, actual: 1 },
  });
});

test('a file that snapshot has named stays named', async () => {
  const { publisher, first, second, push } = await tracker();
  const more = forge(publisher, first, {
    snapshot: (signed) => (signed.meta['team.json'] = { version: 1 }),
  });
  expect(refusalOf(() => push(second, { current: more }))).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    evidence: { role: 'snapshot', expected: 1, actual: 'none' },
  });
});

test('one version has one content', async () => {
  const { publisher, first, push } = await tracker();
  const newer = (signed: { version: number }) => (signed.version = 2);
  const later = (signed: { expires: string }) => (signed.expires = '2032-01-01T00:00:00Z');
  const otherSnapshot = forge(publisher, first, { snapshot: later, timestamp: newer });
  expect(refusalOf(() => push(otherSnapshot)).evidence.role).toBe('snapshot');
  const otherTargets = forge(publisher, first, {
    targets: later,
    snapshot: newer,
    timestamp: newer,
  });
  expect(refusalOf(() => push(otherTargets))).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    evidence: { role: 'targets' },
  });
  // The same bytes are fine: renewing leaves targets as they are.
  const { root, keys } = publisher;
  push(renew({ root, keys, current: first, now }));
});

test('a release number does not go back, and names one image for good', async () => {
  const { publisher, first, second, push } = await tracker();
  const newer = (signed: { version: number }) => (signed.version = 3);
  const replay = (from: MetadataSet, edit: (custom: { release: number }) => void) =>
    forge(publisher, from, {
      targets: (signed) => {
        newer(signed);
        edit(signed.targets['hello/stable']?.custom as { release: number });
      },
      snapshot: newer,
      timestamp: newer,
    });
  const back = replay(first, () => undefined);
  expect(refusalOf(() => push(back, { current: second }))).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    evidence: { role: 'targets', expected: 2, actual: 1 },
  });
  const other = replay(first, (custom) => (custom.release = 2));
  expect(refusalOf(() => push(other, { current: second }))).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    evidence: { expected: imageNumber(2).imageId, actual: imageNumber(1).imageId },
  });
  push(
    replay(first, (custom) => (custom.release = 3)),
    { current: second },
  );
});

test.each(['targets', 'snapshot', 'timestamp'] as const)(
  'an expired %s is refused, and named with its time',
  async (role) => {
    const { publisher, second, push } = await tracker();
    const next = forge(publisher, second, {
      [role]: (signed: { expires: string }) => (signed.expires = past),
    });
    const refusal = refusalOf(() => push(next));
    expect(refusal).toMatchObject({
      code: 'REPOSITORY_EXPIRED',
      evidence: { role, expected: `before ${past}`, actual: now.toISOString() },
    });
    expect(refusal.message).toContain(`${role}.json expired at ${past}`);
    push(next, { now: new Date(Date.parse(past) - 1) });
    expect(refusalOf(() => push(next, { now: new Date(past) })).code).toBe('REPOSITORY_EXPIRED');
  },
);

test('nothing is accepted under an expired root', async () => {
  const { publisher, second, push } = await tracker();
  const root = edited(publisher.root, publisher.rootKey, (signed) => (signed.expires = past));
  expect(refusalOf(() => push(second, { root }))).toMatchObject({
    code: 'REPOSITORY_EXPIRED',
    evidence: { role: 'root' },
  });
});

test('files of different releases do not go together', async () => {
  const { publisher, first, second, push } = await tracker();
  for (const role of ['snapshot', 'targets'] as const) {
    expect(refusalOf(() => push({ ...second, [role]: first[role] }))).toMatchObject({
      code: 'REPOSITORY_MIX_AND_MATCH',
      evidence: { role },
    });
  }
  // Also where only the version says so.
  const bare = { version: 7 };
  const named = { 'snapshot.json': bare, 'targets.json': bare };
  for (const by of ['snapshot', 'timestamp'] as const) {
    const name = by === 'snapshot' ? 'targets.json' : 'snapshot.json';
    const next = forge(publisher, second, {
      [by]: (signed: { meta: object }) => (signed.meta = { [name]: named[name] }),
    });
    expect(refusalOf(() => push(next))).toMatchObject({
      code: 'REPOSITORY_MIX_AND_MATCH',
      evidence: { expected: 7, actual: 2 },
    });
  }
});

test.each([
  ['length', 7, { length: 7 }],
  ['hash', 'ab'.repeat(32), { hashes: { sha256: 'ab'.repeat(32) } }],
])(
  'a file with another %s than the file above it says is refused',
  async (_what, expected, claim) => {
    const { publisher, second, push } = await tracker();
    const meta = { version: 2, ...claim };
    for (const [by, role] of [
      ['timestamp', 'snapshot'],
      ['snapshot', 'targets'],
    ] as const) {
      const next = forge(publisher, second, {
        [by]: (signed: { meta: object }) => (signed.meta = { [`${role}.json`]: meta }),
      });
      expect(refusalOf(() => push(next))).toMatchObject({
        code: 'REPOSITORY_MIX_AND_MATCH',
        evidence: { role, expected: expected },
      });
    }
  },
);

test.each(['targets', 'snapshot', 'timestamp'] as const)(
  '%s signed with a key that root does not name is refused',
  async (role) => {
    const { publisher, second, push } = await tracker();
    const keys = { ...publisher.keys, [role]: generateKey().key };
    expect(
      refusalOf(() => push(forge({ keys }, second, { [role]: () => undefined }))),
    ).toMatchObject({
      code: 'REPOSITORY_SIGNATURE',
      evidence: { role, expected: 1, actual: 0, rootVersion: 1 },
    });
    // Neither does the key of another role help.
    const swapped = { ...publisher.keys, [role]: publisher.rootKey };
    const next = forge({ keys: swapped }, second, { [role]: () => undefined });
    expect(refusalOf(() => push(next)).code).toBe('REPOSITORY_SIGNATURE');
  },
);

function twoOfTwo(publisher: Publisher, second: Publisher['rootKey']): string {
  const { root, keys } = { root: publisher.rootKey, keys: publisher.keys };
  return makeRoot({
    version: 1,
    keys: {
      root: [root],
      targets: [keys.targets],
      snapshot: [keys.snapshot],
      timestamp: [keys.timestamp, second],
    },
    signers: [root],
    threshold: { timestamp: 2 },
  });
}

test('a threshold of two is not met by one key, also not twice', async () => {
  const { publisher, second, push } = await tracker();
  const other = generateKey().key;
  const root = twoOfTwo(publisher, other);
  expect(refusalOf(() => push(second, { root }))).toMatchObject({
    code: 'REPOSITORY_SIGNATURE',
    evidence: { role: 'timestamp', expected: 2, actual: 1 },
  });
  const { signed } = JSON.parse(second.timestamp) as { signed: object };
  const { timestamp: key } = publisher.keys;
  push({ ...second, timestamp: signAny(signed, [key, other]) }, { root });
  const twice = { ...second, timestamp: signAny(signed, [key, key]) };
  expect(refusalOf(() => push(twice, { root })).code).toBe('REPOSITORY_MALFORMED');

  // One key under two ids is still one key.
  const alias = 'ab'.repeat(32);
  const aliased = edited(root, publisher.rootKey, (document) => {
    const keys = document.keys as Record<string, unknown>;
    const roles = document.roles as { timestamp: { keyids: string[] } };
    keys[alias] = keys[key.key.keyID];
    roles.timestamp.keyids = [key.key.keyID, alias];
  });
  const { signatures } = JSON.parse(second.timestamp) as { signatures: object[] };
  signatures.push({ ...signatures[0], keyid: alias });
  const next = { ...second, timestamp: JSON.stringify({ signed, signatures }) };
  expect(refusalOf(() => push(next, { root: aliased })).evidence).toMatchObject({ actual: 1 });
});

test('what stolen keys have signed does not bind after a new root', async () => {
  const { publisher, second } = await tracker();
  const far = forge(publisher, second, { timestamp: (signed) => (signed.version = 2 ** 52) });
  const { targets, snapshot } = publisher.keys;
  const timestamp = generateKey().key;
  const root = makeRoot({
    version: 2,
    keys: {
      root: [publisher.rootKey],
      targets: [targets],
      snapshot: [snapshot],
      timestamp: [timestamp],
    },
    signers: [publisher.rootKey],
  });
  const next = forge({ keys: { targets, snapshot, timestamp } }, second, {});
  verifyUpdate({ root, current: far, next, now });
});

test('a release must have the form of one', async () => {
  const { publisher, second, push } = await tracker();
  const target = (JSON.parse(second.targets) as { signed: { targets: Record<string, object> } })
    .signed.targets['hello/stable'] as { custom: object; hashes: object };
  const { custom } = target;
  const wrong: Record<string, object> = {
    'no path': { hello: target },
    'a path out': { '../stable': target },
    'no custom': { 'hello/stable': { ...target, custom: undefined } },
    'no release': { 'hello/stable': { ...target, custom: { ...custom, release: undefined } } },
    'release 0': { 'hello/stable': { ...target, custom: { ...custom, release: 0 } } },
    'release 1.5': { 'hello/stable': { ...target, custom: { ...custom, release: '1' } } },
    'other image': {
      'hello/stable': { ...target, custom: { ...custom, image: imageNumber(9).imageId } },
    },
    'upper case image': {
      'hello/stable': {
        ...target,
        custom: { ...custom, image: imageNumber(2).imageId.toUpperCase() },
      },
    },
    'bad version': { 'hello/stable': { ...target, custom: { ...custom, version: '<b>' } } },
    'bad hash': { 'hello/stable': { ...target, hashes: { sha256: 'AB'.repeat(32) } } },
    'other hash': { 'hello/stable': { ...target, hashes: { sha512: 'ab'.repeat(64) } } },
    'huge info': { 'hello/stable': { ...target, length: 2 ** 40 } },
    prototype: JSON.parse('{"__proto__": {}}') as object,
  };
  for (const [name, targets] of Object.entries(wrong)) {
    const next = forge(publisher, second, {
      targets: (signed) => {
        signed.targets = JSON.parse(JSON.stringify(targets)) as typeof signed.targets;
      },
    });
    expect(
      refusalOf(() => push(next)),
      name,
    ).toMatchObject({
      code: 'REPOSITORY_MALFORMED',
      evidence: { role: 'targets' },
    });
  }
});

test('what is too large, too deep or no metadata is refused', async () => {
  const { publisher, second, push } = await tracker();
  const { timestamp } = publisher.keys;
  const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
  const wrong: Record<string, string> = {
    empty: '',
    html: '<html>',
    null: 'null',
    array: '[]',
    'another role': second.snapshot,
    deep,
    'deep inside': `{"signatures":[],"signed":${deep}}`,
    large: `${second.timestamp}${' '.repeat(16 * 1024)}`,
    'no white space in hex': second.timestamp.replace(/"sig":"../, '"sig":"  '),
    'upper case in hex': second.timestamp.replace(
      /"sig":"[0-9a-f]+/,
      (sig) => `"sig":${sig.slice(6).toUpperCase()}`,
    ),
    'deep but signed': edited(second.timestamp, timestamp, (signed) => {
      for (let depth = 0; depth < 40; depth++) signed.more = [signed.more ?? 1];
    }),
    'a prototype': edited(second.timestamp, timestamp, (signed) => {
      signed.more = JSON.parse('{"__proto__": 1}') as unknown;
    }),
    'version 0': edited(second.timestamp, timestamp, (signed) => (signed.version = 0)),
    'time zone': edited(second.timestamp, timestamp, (signed) => (signed.expires = '2031-01-01')),
    'no snapshot': edited(second.timestamp, timestamp, (signed) => (signed.meta = {})),
  };
  for (const [name, text] of Object.entries(wrong)) {
    expect(
      refusalOf(() => push({ ...second, timestamp: text })),
      name,
    ).toMatchObject({
      code: 'REPOSITORY_MALFORMED',
      evidence: { role: 'timestamp' },
    });
  }
});

test('a root that can not be used is the fault of who gave it', async () => {
  const { publisher, second, push } = await tracker();
  const stranger = await createPublisher(now);
  const unsigned = edited(publisher.root, stranger.rootKey, () => undefined);
  for (const root of ['', '{}', second.timestamp, unsigned]) {
    expect(() => push(second, { root })).toThrow(ConfigError);
  }
});

test('any byte of any of the files that is changed is noticed', async () => {
  const { publisher, second, push } = await tracker();
  const files = { ...second, root: publisher.root };
  const role = fc.constantFrom('root', 'targets', 'snapshot', 'timestamp');
  const change = fc.integer({ min: 1, max: 255 });
  await fc.assert(
    fc.asyncProperty(role, fc.nat(), change, async (role, position, bits) => {
      const bytes = Buffer.from(files[role]);
      const at = position % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ bits;
      const { root, ...next } = { ...files, [role]: bytes.toString('latin1') };
      expect(await codeOf(() => push(next, { root }))).not.toBe('returned');
    }),
    { numRuns: 500 },
  );
});

test('a summary tells what a set says', async () => {
  const { second } = await tracker();
  expect(summarizeSet(second)).toEqual({
    targetsVersion: 2,
    snapshotVersion: 2,
    timestampVersion: 2,
    delegatedVersions: {},
    expires: new Date('2030-01-31T00:00:00Z'),
    onlineExpires: new Date('2030-01-31T00:00:00Z'),
    releases: [{ ...imageNumber(2), release: 2 }],
  });
});
