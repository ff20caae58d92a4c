import { expect, test } from 'vitest';
import { addSignatures } from '../../../src/trust/add-signatures.ts';
import { completeSet } from '../../../src/trust/complete-set.ts';
import { readPublishedRoot } from '../../../src/trust/published-set.ts';
import { checkRootFollows, rootVersion } from '../../../src/trust/root-chain.ts';
import { renewFiles, signReleaseFile } from '../../../src/trust/sign-release.ts';
import { signNextRoot, type RootChange } from '../../../src/trust/sign-root.ts';
import { generateKey, type SigningKey } from '../../../src/trust/signing-key.ts';
import {
  codeOf,
  createPublisher,
  imageNumber,
  releases,
  Repository,
  temporaryDirectory,
} from './repository.ts';

const one = ({ key }: SigningKey) => ({ keys: [key], threshold: 1 });

test('each role can get another key, and the next root follows the one before', async () => {
  const { root, rootKey } = await createPublisher();
  const now = new Date();
  for (const role of ['root', 'targets', 'snapshot', 'timestamp'] as const) {
    const { key } = generateKey();
    const next = signNextRoot({ root, change: { [role]: one(key) }, keys: [rootKey, key], now });
    expect(next.isComplete).toBe(true);
    checkRootFollows(root, next.root);
    expect(rootVersion(next.root)).toBe(2);
    const { signed } = JSON.parse(next.root) as {
      signed: { roles: Record<string, { keyids: string[] }>; keys: object };
    };
    expect(signed.roles[role]?.keyids).toEqual([key.key.keyID]);
    expect(Object.keys(signed.keys)).toHaveLength(4);
  }
});

test('the keys of root are changed by the old and the new ones, one after the other', async () => {
  const { root, rootKey } = await createPublisher();
  const fresh = [generateKey().key, generateKey().key, generateKey().key] as const;
  const change: RootChange = { root: { keys: fresh.map(({ key }) => key), threshold: 2 } };
  const begun = signNextRoot({ root, change, keys: [rootKey], now: new Date() });
  expect(begun.isComplete).toBe(false);
  expect(await codeOf(() => checkRootFollows(root, begun.root))).toBe('REPOSITORY_SIGNATURE');
  const more = addSignatures(begun.root, [fresh[0]]);
  expect(await codeOf(() => checkRootFollows(root, more))).toBe('REPOSITORY_SIGNATURE');
  const twice = addSignatures(more, [fresh[0]]);
  expect(await codeOf(() => checkRootFollows(root, twice))).toBe('REPOSITORY_SIGNATURE');
  const whole = addSignatures(twice, [fresh[2]]);
  checkRootFollows(root, whole);
  // From now on the old key is worth nothing.
  const evil = signNextRoot({ root: whole, change: {}, keys: [rootKey], now: new Date() });
  expect(await codeOf(() => checkRootFollows(whole, evil.root))).toBe('REPOSITORY_SIGNATURE');
  expect(await codeOf(() => addSignatures('{}', [rootKey]))).toBe('CONFIG_INVALID');
});

test('an online key can not be one that names images: checkApart', async () => {
  const { root, rootKey, keys } = await createPublisher();
  for (const change of [
    { snapshot: one(keys.targets) },
    { timestamp: one(rootKey) },
    { targets: one(keys.timestamp) },
    { targets: { keys: [keys.targets.key], threshold: 2 } },
    { snapshot: { keys: [], threshold: 1 } },
  ] satisfies RootChange[]) {
    const sign = () => signNextRoot({ root, change, keys: [rootKey], now: new Date() });
    expect(await codeOf(sign)).toBe('CONFIG_INVALID');
  }
});

test('two of three sign targets, one after the other', async () => {
  const { root: first, rootKey, keys } = await createPublisher();
  const holders = [generateKey().key, generateKey().key, generateKey().key] as const;
  const now = new Date();
  const change = { targets: { keys: holders.map(({ key }) => key), threshold: 2 } };
  const { root } = signNextRoot({ root: first, change, keys: [rootKey], now });
  const init = { root, keys: [holders[1]], now, current: undefined, release: imageNumber(1) };
  expect(await codeOf(() => signReleaseFile(init))).toBe('REPOSITORY_SIGNATURE');
  const { update } = signReleaseFile({ ...init, mayBePartial: true });
  const online = { root, keys, now, current: undefined };
  expect(await codeOf(() => completeSet({ ...online, update }))).toBe('REPOSITORY_SIGNATURE');
  const targets = addSignatures(update.targets ?? '', [holders[2]]);
  completeSet({ ...online, update: { targets } });
});

test('a host that was away while all keys changed, several times, follows', async () => {
  const publisher = await createPublisher();
  const [set] = releases(publisher, 1);
  const repository = new Repository();
  repository.publish(set);
  const directory = await temporaryDirectory();
  const host = repository.client({ directory, root: publisher.root });
  await host.refresh();

  const now = new Date();
  let { root, rootKey } = publisher;
  let keys: Record<string, SigningKey> = { ...publisher.keys };
  let current = set;
  for (let version = 2; version <= 6; version++) {
    const fresh = {
      root: generateKey().key,
      targets: generateKey().key,
      snapshot: generateKey().key,
      timestamp: generateKey().key,
    };
    const change = Object.fromEntries(Object.entries(fresh).map(([role, key]) => [role, one(key)]));
    const next = signNextRoot({ root, change, keys: [rootKey, fresh.root], now });
    const init = { root: next.root, currentRoot: root, keys: { ...keys, ...fresh }, now, current };
    current = completeSet({ ...init, update: renewFiles({ ...init, evenWhenFresh: true }) });
    [root, rootKey, keys] = [next.root, fresh.root, fresh];
    repository.files.set(`${version}.root.json`, root);
  }
  repository.publish(current);
  await host.refresh();
  expect(await host.releases()).toMatchObject([{ release: 1 }]);
  expect(await host.current()).toEqual(current);
  const { fetchMetadata } = repository;
  expect(await readPublishedRoot({ fetchMetadata }, { root: publisher.root })).toBe(root);
});
