import { expect, test } from 'vitest';
import { generateKey } from '../../../src/trust/signing-key.ts';
import { TrustCache } from '../../../src/trust/trust-cache.ts';
import { durable } from '../../../src/image/index.ts';
import {
  codeOf,
  createPublisher,
  edited,
  forge,
  makeRoot,
  releases,
  Repository,
  temporaryDirectory,
  type Publisher,
} from './repository.ts';

/** A host that has verified release 1, and its repository's owner with a second root key. */
async function host() {
  const publisher = await createPublisher();
  const repository = new Repository();
  const [first, second] = releases(publisher, 2);
  if (second === undefined) throw new Error('there are two');
  repository.publish(first);
  const init = { directory: await temporaryDirectory(), root: publisher.root };
  await repository.client(init).refresh();
  return { publisher, repository, init, first, second };
}

function rootOf(
  publisher: Publisher,
  version: number,
  change: { root?: Publisher['rootKey']; keys?: Partial<Publisher['keys']> },
  signers: Publisher['rootKey'][],
): string {
  const keys = { root: publisher.rootKey, ...publisher.keys, ...change.keys };
  if (change.root !== undefined) keys.root = change.root;
  const { root, targets, snapshot, timestamp } = keys;
  const lists = { root: [root], targets: [targets], snapshot: [snapshot], timestamp: [timestamp] };
  return makeRoot({ version, keys: lists, signers });
}

test('roots that were changed while the host was away are followed', async () => {
  const { publisher, repository, init, second } = await host();
  const [two, three] = [generateKey().key, generateKey().key];
  const timestamp = generateKey().key;
  const keys = { ...publisher.keys, timestamp };
  repository.files.set(
    '2.root.json',
    rootOf(publisher, 2, { root: two }, [publisher.rootKey, two]),
  );
  repository.files.set('3.root.json', rootOf(publisher, 3, { root: three, keys }, [two, three]));
  repository.publish(forge({ keys }, second, {}));
  await repository.client(init).refresh();

  // The chain is kept: it is not asked for again, and a set under the old key is refused.
  repository.requests.length = 0;
  await repository.client(init).refresh();
  expect(repository.requests.map(({ name }) => name)).toEqual(['4.root.json', 'timestamp.json']);
  repository.publish(forge(publisher, second, { timestamp: (signed) => (signed.version = 9) }));
  await expect(repository.client(init).refresh()).rejects.toMatchObject({
    code: 'REPOSITORY_SIGNATURE',
    evidence: { role: 'timestamp', rootVersion: 3 },
  });
  expect(await repository.client(init).releases()).toMatchObject([{ release: 2 }]);
});

test('a root that the one before did not sign is refused', async () => {
  const { publisher, repository, init } = await host();
  const stranger = generateKey().key;
  const attempts = {
    'signed by itself alone': rootOf(publisher, 2, { root: stranger }, [stranger]),
    'not signed by itself': rootOf(publisher, 2, { root: stranger }, [publisher.rootKey]),
  };
  for (const [name, root] of Object.entries(attempts)) {
    repository.files.set('2.root.json', root);
    await expect(repository.client(init).refresh(), name).rejects.toMatchObject({
      code: 'REPOSITORY_SIGNATURE',
      evidence: { role: 'root' },
    });
  }
  for (const root of [rootOf(publisher, 3, {}, [publisher.rootKey]), publisher.root]) {
    repository.files.set('2.root.json', root);
    await expect(repository.client(init).refresh()).rejects.toMatchObject({
      code: 'REPOSITORY_ROLLBACK',
      evidence: { role: 'root', expected: 2 },
    });
  }
  repository.files.delete('2.root.json');
  await repository.client(init).refresh();
});

test('a stolen timestamp key can be made harmless by a new root', async () => {
  const { publisher, repository, init, second } = await host();
  repository.publish(
    forge(publisher, second, { timestamp: (signed) => (signed.version = 2 ** 52) }),
  );
  await repository.client(init).refresh();
  const keys = { ...publisher.keys, timestamp: generateKey().key };
  repository.files.set('2.root.json', rootOf(publisher, 2, { keys }, [publisher.rootKey]));
  repository.publish(forge({ keys }, second, {}));
  await repository.client(init).refresh();
  expect(await repository.client(init).releases()).toMatchObject([{ release: 2 }]);
});

test('what a revoked targets key has signed is not reported any more', async () => {
  const { publisher, repository, init } = await host();
  const keys = { ...publisher.keys, targets: generateKey().key };
  repository.files.set('2.root.json', rootOf(publisher, 2, { keys }, [publisher.rootKey]));
  const client = repository.client(init);
  expect(await client.releases()).toMatchObject([{ release: 1 }]);
  expect(await codeOf(() => client.refresh())).toBe('REPOSITORY_SIGNATURE');
  expect(await client.releases()).toEqual([]);
  expect(await repository.client(init).current()).toBeUndefined();
});

test('another pinned root drops all that was verified under the first', async () => {
  const { publisher, repository, init } = await host();
  const other = await createPublisher();
  const told: string[] = [];
  const moved = repository.client({ ...init, root: other.root }, (why) => told.push(why));
  expect(await moved.releases()).toEqual([]);
  expect(await codeOf(() => moved.refresh())).toBe('REPOSITORY_SIGNATURE');
  expect(told).toEqual(['pinned-root-changed']);
  const theirs = releases(other, 1)[0];
  repository.publish(theirs);
  await moved.refresh();
  expect(await moved.current()).toEqual(theirs);
  expect(await repository.client({ ...init, root: publisher.root }).releases()).toEqual([]);
});

test('the same pinned root in another spelling drops nothing', async () => {
  const { publisher, repository, init } = await host();
  const root = `${JSON.stringify(JSON.parse(publisher.root), null, 2)}\n`;
  const client = repository.client({ ...init, root });
  expect(await client.releases()).toMatchObject([{ release: 1 }]);
  await client.refresh();
});

test('a cache that does not follow from the pinned root is not believed', async () => {
  const { publisher, repository, init, second } = await host();
  const stranger = await createPublisher();
  const [planted] = releases(stranger, 1);
  const roots = [publisher.root, rootOf(stranger, 2, {}, [stranger.rootKey])];
  const { timestamp, snapshot } = planted;
  const cache = new TrustCache({ durability: durable }, init);
  await cache.write({ roots, timestamp, snapshot, set: planted });
  const told: string[] = [];
  const client = repository.client(init, (why) => told.push(why));
  expect(await client.releases()).toEqual([]);
  expect(told).toEqual(['damaged']);

  // Nor is a set that the pinned root's keys did not sign; the host finds its way back.
  await cache.write({ roots: [publisher.root], timestamp, snapshot, set: planted });
  expect(await repository.client(init).releases()).toEqual([]);
  repository.publish(second);
  await repository.client(init).refresh();
  expect(await repository.client(init).releases()).toMatchObject([{ release: 2 }]);
});

test('an expired pinned root leads to its successor', async () => {
  const { publisher, repository, init } = await host();
  const old = edited(publisher.root, publisher.rootKey, (signed) => {
    signed.expires = '2020-01-01T00:00:00Z';
  });
  repository.files.set('2.root.json', rootOf(publisher, 2, {}, [publisher.rootKey]));
  const client = repository.client({ directory: `${init.directory}/other`, root: old });
  await client.refresh();
  expect(await client.releases()).toMatchObject([{ release: 1 }]);
});
