import { hash } from 'node:crypto';
import { expect, test } from 'vitest';
import { summarizeSet, verifyUpdate } from '../../../src/trust/metadata-set.ts';
import { renew, signRelease } from '../../../src/trust/sign-release.ts';
import { generateKey } from '../../../src/trust/signing-key.ts';
import {
  codeOf,
  createPublisher,
  imageNumber,
  makeRoot,
  releases,
  type Signed,
} from './repository.ts';

const dayMs = 86_400_000;
const now = new Date('2030-01-01T00:00:00Z');
const later = (days: number) => new Date(now.getTime() + days * dayMs);
const signedOf = (text: string) => (JSON.parse(text) as { signed: Signed }).signed;
const versions = (set: Parameters<typeof summarizeSet>[0]) => {
  const { targetsVersion, snapshotVersion, timestampVersion } = summarizeSet(set);
  return [targetsVersion, snapshotVersion, timestampVersion];
};

test('the first release has number one, and so have its files', async () => {
  const { root, keys } = await createPublisher(now);
  const image = imageNumber(1);
  const { set, release } = signRelease({ root, keys, current: undefined, release: image, now });
  expect(release).toEqual({ ...image, release: 1 });
  expect(versions(set)).toEqual([1, 1, 1]);
  expect(signedOf(set.targets).targets).toEqual({
    'hello/stable': {
      length: image.infoBytes,
      hashes: { sha256: image.infoHash },
      custom: { image: image.imageId, release: 1, version: '1.0.0' },
    },
  });
});

test('each file names the next by version, length and hash', async () => {
  const [set] = releases(await createPublisher(now), 1, { now });
  const describe = (text: string) => ({
    version: 1,
    length: text.length,
    hashes: { sha256: hash('sha256', text) },
  });
  expect(signedOf(set.timestamp).meta).toEqual({ 'snapshot.json': describe(set.snapshot) });
  expect(signedOf(set.snapshot).meta).toEqual({ 'targets.json': describe(set.targets) });
});

test('each release moves all versions forward, and other channels stay as they are', async () => {
  const { root, keys } = await createPublisher(now);
  const [, second] = releases({ directory: '', root, keys, rootKey: keys.targets }, 2, { now });
  const release = imageNumber(7, 'other/beta');
  const third = signRelease({ root, keys, current: second, release, now });
  expect(third.release.release).toBe(1);
  expect(versions(third.set)).toEqual([3, 3, 3]);
  expect(summarizeSet(third.set).releases).toEqual([
    { ...imageNumber(2), release: 2 },
    { ...release, release: 1 },
  ]);
});

test('the same release signed at the same time is the same bytes', async () => {
  const publisher = await createPublisher(now);
  expect(releases(publisher, 2, { now })).toEqual(releases(publisher, 2, { now }));
});

test('how long a signature is good for can be set', async () => {
  const publisher = await createPublisher(now);
  const expiry = { targetsMs: 30 * dayMs, snapshotMs: 20 * dayMs, timestampMs: 10 * dayMs };
  const [set] = releases(publisher, 1, { now, expiry });
  expect(signedOf(set.targets).expires).toBe('2030-01-31T00:00:00Z');
  expect(signedOf(set.snapshot).expires).toBe('2030-01-21T00:00:00Z');
  expect(summarizeSet(set).expires).toEqual(later(10));
});

test('renewing signs timestamp and snapshot again, and targets near its end', async () => {
  const { root, keys, ...rest } = await createPublisher(now);
  const expiry = { targetsMs: 90 * dayMs, snapshotMs: 10 * dayMs, timestampMs: 10 * dayMs };
  const [set] = releases({ root, keys, ...rest }, 1, { now, expiry });
  const early = renew({ root, keys, current: set, now: later(20), expiry });
  expect(versions(early)).toEqual([1, 2, 2]);
  expect(early.targets).toBe(set.targets);
  const late = renew({ root, keys, current: early, now: later(61), expiry });
  expect(versions(late)).toEqual([2, 3, 3]);
  expect(summarizeSet(late).releases).toEqual(summarizeSet(set).releases);
  expect(summarizeSet(late).expires).toEqual(later(71));
  verifyUpdate({ root, current: early, next: late, now: later(62) });
});

test('keys that root does not name sign nothing', async () => {
  const { root, keys } = await createPublisher(now);
  const wrong = { ...keys, snapshot: generateKey().key };
  const release = imageNumber(1);
  const sign = () => signRelease({ root, keys: wrong, current: undefined, release, now });
  expect(await codeOf(sign)).toBe('CONFIG_INVALID');
});

test('a release that would be refused for too few signatures is not made', async () => {
  const { keys, rootKey } = await createPublisher(now);
  const both = { ...keys, root: rootKey };
  const root = makeRoot({
    version: 1,
    keys: {
      root: [both.root],
      targets: [both.targets, generateKey().key],
      snapshot: [both.snapshot],
      timestamp: [both.timestamp],
    },
    signers: [rootKey],
    threshold: { targets: 2 },
  });
  const release = imageNumber(1);
  const sign = () => signRelease({ root, keys, current: undefined, release, now });
  expect(await codeOf(sign)).toBe('REPOSITORY_SIGNATURE');
});

test('channels that these keys did not sign before are not signed by them', async () => {
  const { root, keys } = await createPublisher(now);
  const [foreign] = releases(await createPublisher(now), 1, { now });
  const sign = () => signRelease({ root, keys, current: foreign, release: imageNumber(2), now });
  expect(await codeOf(sign)).toBe('REPOSITORY_SIGNATURE');
  expect(await codeOf(() => renew({ root, keys, current: foreign, now }))).toBe(
    'REPOSITORY_SIGNATURE',
  );
});

test('a release that does not hold together is not signed', async () => {
  const { root, keys } = await createPublisher(now);
  const sign = (change: object) => () => {
    const release = { ...imageNumber(1), ...change };
    return signRelease({ root, keys, current: undefined, release, now });
  };
  expect(await codeOf(sign({ imageId: imageNumber(2).imageId }))).toBe('CONFIG_INVALID');
  expect(await codeOf(sign({ infoHash: 'abc' }))).toBe('CONFIG_INVALID');
  expect(await codeOf(sign({ channel: 'a/b' }))).toBe('CONFIG_INVALID');
  expect(await codeOf(sign({ infoBytes: 0 }))).toBe('REPOSITORY_MALFORMED');
  expect(await codeOf(sign({ version: 'no spaces' }))).toBe('REPOSITORY_MALFORMED');
});
