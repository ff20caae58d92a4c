import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Client } from './tuf-client/client.ts';
import { newKey, TufRepository, type DelegationJson } from './tuf-client/tuf-repository.ts';

/*
 * What the TUF conformance suite asks of a client, by a repository of our own and the same calls: the
 * reading code of src/trust is under it, with a form that knows nothing of releases.
 */

/** A client that is up to date with a repository. */
async function upToDate(repository = new TufRepository()) {
  const client = await Client.init(repository);
  expect(await client.refresh()).toBe('good');
  return { repository, client };
}

const first = { root: 1, snapshot: 1, targets: 1, timestamp: 1 };
const past = '2020-01-01T00:00:00Z';

describe('the basic calls', () => {
  test('refresh asks for what there is, once', async () => {
    const { repository, client } = await upToDate();
    expect(repository.requests).toEqual([
      'metadata/2.root.json',
      'metadata/timestamp.json',
      'metadata/1.snapshot.json',
      'metadata/1.targets.json',
    ]);
    expect(await client.versions()).toEqual(first);
    repository.requests.length = 0;
    expect(await client.refresh()).toBe('good');
    expect(repository.requests).toEqual(['metadata/2.root.json', 'metadata/timestamp.json']);
  });

  test.each(['ed25519', 'ecdsa', 'rsa'] as const)('%s keys are known', async (kind) => {
    await upToDate(new TufRepository(kind));
  });

  test('a first root that is no root, or is not signed, asks for nothing', async () => {
    for (const spoil of [
      (text: string) => text.replace('"version":1', '"version":"1"'),
      (text: string) => text.replace(/"sig":"..../, '"sig":"0000'),
    ]) {
      const repository = new TufRepository();
      Object.assign(repository, { firstRoot: spoil(repository.firstRoot) });
      const client = await Client.init(repository);
      expect(await client.refresh()).toBe('CONFIG_INVALID');
      expect(repository.requests).toEqual([]);
    }
  });

  test('fields that nobody knows are signed all the same', async () => {
    const { repository, client } = await upToDate();
    const [key = ''] = Object.keys(repository.root.keys);
    Object.assign(repository.root, { 'custom-field': 'value' });
    Object.assign(repository.root.keys[key] ?? {}, { 'extra-field': { a: 1, b: [2] } });
    Object.assign(repository.root.roles.root ?? {}, { 'another-field': 'value' });
    repository.next('root');
    expect(await client.refresh()).toBe('good');
    expect(await client.versions()).toEqual({ ...first, root: 2 });
  });

  test('a repository without consistent snapshots has other names', async () => {
    const repository = new TufRepository();
    repository.root.consistent_snapshot = false;
    repository.addArtifact('targets', 'a/file', 'content');
    repository.nextAll();
    repository.next('root');
    const client = await Client.init(repository);
    expect(await client.download('a/file')).toBe('good');
    expect(repository.requests).toContain('metadata/snapshot.json');
    expect(repository.requests.at(-1)).toBe('targets/a/file');
  });

  test('the executable answers with its exit code', async () => {
    const { repository, client } = await upToDate();
    const executable = join(import.meta.dirname, 'tuf-client', 'tuf-client');
    await promisify(execFile)(executable, client.refreshArgs);
    repository.files.set('timestamp.json', 'garbage');
    await expect(promisify(execFile)(executable, client.refreshArgs)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('timestamp.json') as string,
    });
  });
});

describe('targets', () => {
  test('what was signed is downloaded, once', async () => {
    const { repository, client } = await upToDate();
    repository.addArtifact('targets', 'file.txt', 'content');
    repository.addArtifact('targets', 'path/to/file.txt', 'other');
    repository.nextAll();
    expect(await client.download('file.txt', 'path/to/file.txt')).toBe('good');
    expect(await client.downloaded()).toEqual(['content', 'other']);
    repository.artifacts.clear();
    expect(await client.download('file.txt')).toBe('good');
  });

  test('another content, or more of it, is not taken', async () => {
    const { repository, client } = await upToDate();
    repository.addArtifact('targets', 'one', 'content');
    repository.addArtifact('targets', 'two', 'content');
    repository.nextAll();
    expect(await client.download('one')).toBe('good');
    for (const evil of ['conTent', 'content and no end', 'c']) {
      for (const name of ['one', 'two']) repository.artifacts.set(name, Buffer.from(evil));
      expect(await client.download('one')).toBe('good');
      expect(await client.download('two')).toBe('failed');
      expect(await client.downloaded()).toEqual(['content']);
    }
  });

  test('what nobody signed is no target, and the metadata is up to date nevertheless', async () => {
    const client = await Client.init(new TufRepository());
    expect(await client.download('nothing')).toBe('failed');
    expect(await client.versions()).toEqual(first);
  });
});

describe('rollback', () => {
  test.each([false, true])('of snapshot, targets, timestamp (hashes: %s)', async (withHashes) => {
    const repository = new TufRepository();
    repository.withHashes = withHashes;
    repository.nextAll();
    repository.nextAll();
    const { client } = await upToDate(repository);
    const seen = { root: 1, snapshot: 3, targets: 3, timestamp: 3 };

    repository.timestamp.version = 2;
    repository.publish('timestamp');
    expect(await client.refresh()).toBe('REPOSITORY_ROLLBACK');
    expect(await client.versions()).toEqual(seen);

    repository.timestamp.version = 4;
    repository.snapshot.version = 2;
    repository.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe('REPOSITORY_ROLLBACK');
    expect(await client.versions()).toEqual(seen);

    repository.snapshot.version = 4;
    repository.timestamp.version = 5;
    repository.targets.version = 1;
    repository.publish('targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe('REPOSITORY_ROLLBACK');
    expect(await client.versions()).toEqual({ ...seen, timestamp: 5 });
  });

  test('a timestamp of the same version does not count', async () => {
    const { repository, client } = await upToDate();
    repository.timestamp.meta['snapshot.json'] = { version: 100 };
    repository.publish('timestamp');
    expect(await client.refresh()).toBe('good');
    expect(await client.versions()).toEqual(first);
  });

  test.each(['timestamp', 'snapshot', 'targets'])(
    'a fast-forwarded %s is won back by other keys',
    async (role) => {
      const { repository, client } = await upToDate();
      repository.role(role).version = 9_999;
      repository.publish(...new Set([role, 'snapshot', 'timestamp']));
      if (role !== 'timestamp') repository.next('timestamp');
      if (role === 'targets') repository.next('snapshot', 'timestamp');
      expect(await client.refresh()).toBe('good');
      expect((await client.versions())[role]).toBe(9_999);
      // Who signs the file above has named the version: those keys go.
      const above = { timestamp: ['timestamp'], snapshot: ['snapshot', 'timestamp'] }[role];
      for (const rotated of above ?? ['snapshot', 'timestamp']) repository.rotate(rotated);
      repository.next('root');
      repository.role(role).version = 1;
      repository.publish(...new Set([role, 'targets', 'snapshot', 'timestamp']));
      repository.next('snapshot', 'timestamp');
      if (role === 'targets') expect((await client.versions()).targets).toBe(9_999);
      expect(await client.refresh()).toBe('good');
      expect((await client.versions())[role]).toBeLessThan(9_999);
    },
  );
});

describe('mix and match', () => {
  test.each(['snapshot', 'targets'])('%s of another version is not taken', async (role) => {
    const { repository, client } = await upToDate();
    const old = repository.files.get(`1.${role}.json`) ?? '';
    repository.nextAll();
    repository.files.set(`2.${role}.json`, old);
    expect(await client.refresh()).toBe('REPOSITORY_MIX_AND_MATCH');
    expect((await client.versions())[role]).toBe(1);
  });

  test.each(['snapshot', 'targets'])('%s of another hash is not taken', async (role) => {
    const repository = new TufRepository();
    repository.withHashes = true;
    repository.nextAll();
    const { client } = await upToDate(repository);
    repository.nextAll();
    repository.role(role).more = 'content';
    repository.files.set(`3.${role}.json`, repository.sign(role));
    expect(await client.refresh()).toBe('REPOSITORY_MIX_AND_MATCH');
    expect((await client.versions())[role]).toBe(2);
  });

  test('a file that is named no more is missed', async () => {
    const { repository, client } = await upToDate();
    repository.delegate('targets', 'A');
    repository.nextAll('A');
    expect(await client.refresh()).toBe('good');
    delete repository.snapshot.meta['A.json'];
    repository.next('snapshot', 'timestamp');
    expect(await client.refresh()).toBe('REPOSITORY_ROLLBACK');
  });
});

describe('expiry', () => {
  test.each(['root', 'timestamp', 'snapshot', 'targets'])('of %s', async (role) => {
    const { repository, client } = await upToDate();
    repository.role(role).expires = past;
    repository.nextAll();
    if (role === 'root') repository.next('root');
    expect(await client.refresh()).toBe('REPOSITORY_EXPIRED');
    const versions = await client.versions();
    if (role !== 'root') expect(versions[role]).toBe(1);
    repository.role(role).expires = '2999-01-01T00:00:00Z';
    if (role === 'root') repository.next('root');
    repository.nextAll();
    expect(await client.refresh()).toBe('good');
  });

  test('an expired root on the way to a good one does no harm', async () => {
    const { repository, client } = await upToDate();
    repository.root.expires = past;
    repository.next('root');
    repository.root.expires = '2999-01-01T00:00:00Z';
    repository.next('root');
    expect(await client.refresh()).toBe('good');
    expect((await client.versions()).root).toBe(3);
  });
});

describe('keys and thresholds', () => {
  test.each(['timestamp', 'snapshot', 'targets'])('a wrong key of %s', async (role) => {
    const { repository, client } = await upToDate();
    repository.keys.set(role, [newKey('ed25519')]);
    repository.nextAll();
    expect(await client.refresh()).toBe('REPOSITORY_SIGNATURE');
    expect((await client.versions())[role]).toBe(1);
  });

  test('two of three sign, and one is too few', async () => {
    const { repository, client } = await upToDate();
    for (let more = 0; more < 2; more++) repository.addKey('snapshot', newKey('ed25519'));
    Object.assign(repository.root.roles.snapshot ?? {}, { threshold: 2 });
    repository.next('root');
    const keys = repository.keys.get('snapshot') ?? [];
    for (const [count, result] of [
      [1, 'REPOSITORY_SIGNATURE'],
      [2, 'good'],
      [3, 'good'],
    ] as const) {
      repository.keys.set('snapshot', keys.slice(0, count));
      repository.nextAll();
      expect(await client.refresh(), String(count)).toBe(result);
    }
  });

  test('one key under many ids is one key', async () => {
    const { repository, client } = await upToDate();
    const key = newKey('ed25519');
    repository.rotate('snapshot');
    for (let alias = 0; alias < 3; alias++) {
      repository.addKey('snapshot', { ...key, id: `${alias}`.repeat(64) });
    }
    Object.assign(repository.root.roles.snapshot ?? {}, { threshold: 3 });
    repository.next('root');
    repository.nextAll();
    expect(await client.refresh()).toBe('REPOSITORY_SIGNATURE');
  });

  test('roots: each is signed by the one before and by itself', async () => {
    const { repository, client } = await upToDate();
    const old = repository.keys.get('root') ?? [];
    repository.rotate('root');
    const fresh = repository.keys.get('root') ?? [];
    repository.root.version = 2;
    for (const [signers, result] of [
      [old, 'REPOSITORY_SIGNATURE'],
      [fresh, 'REPOSITORY_SIGNATURE'],
      [[...old, ...fresh], 'good'],
    ] as const) {
      repository.files.set('2.root.json', repository.sign('root', [...signers]));
      expect(await client.refresh()).toBe(result);
    }
    repository.root.version = 4;
    repository.files.set('3.root.json', repository.sign('root'));
    expect(await client.refresh()).toBe('REPOSITORY_ROLLBACK');
    expect((await client.versions()).root).toBe(2);
  });

  test('a client that was away for many rotations catches up', async () => {
    const { repository, client } = await upToDate();
    for (let count = 0; count < 20; count++) {
      const old = repository.keys.get('root') ?? [];
      for (const role of ['root', 'timestamp', 'targets']) repository.rotate(role);
      repository.root.version += 1;
      const signers = [...old, ...(repository.keys.get('root') ?? [])];
      const text = repository.sign('root', signers);
      repository.files.set(`${repository.root.version}.root.json`, text);
    }
    repository.nextAll();
    expect(await client.refresh()).toBe('good');
    expect(await client.versions()).toEqual({ root: 21, snapshot: 2, targets: 2, timestamp: 2 });
  });
});

describe('what is no metadata', () => {
  test.each([
    ['endless data', Buffer.alloc(9 << 20, ' ')],
    ['a page', '<html>'],
    ['a deep one', '['.repeat(10_000)],
    ['bytes', Buffer.from([0xff, 0xfe])],
  ])('%s', async (_, content) => {
    for (const name of ['2.root.json', 'timestamp.json', '2.snapshot.json', '2.targets.json']) {
      const { repository, client } = await upToDate();
      repository.nextAll();
      repository.files.set(name, content);
      expect(await client.refresh(), name).not.toBe('good');
      expect((await client.versions()).targets, name).toBe(1);
    }
  });
});

type Edge = readonly [from: string, to: string, more?: Partial<DelegationJson>];
const graphs: Readonly<Record<string, { edges: readonly Edge[]; visited: string }>> = {
  one: { edges: [['targets', 'A']], visited: 'A' },
  'one level': {
    edges: [
      ['targets', 'A'],
      ['targets', 'B'],
    ],
    visited: 'AB',
  },
  'depth before width': {
    edges: [
      ['targets', 'A'],
      ['targets', 'B'],
      ['A', 'C'],
      ['C', 'D'],
    ],
    visited: 'ACDB',
  },
  'an end': {
    edges: [
      ['targets', 'A'],
      ['targets', 'B'],
      ['A', 'C', { terminating: true }],
      ['A', 'D'],
    ],
    visited: 'AC',
  },
  'other paths': {
    edges: [
      ['targets', 'A', { paths: ['*.py'] }],
      ['targets', 'B'],
      ['A', 'C'],
    ],
    visited: 'B',
  },
  'a circle': {
    edges: [
      ['targets', 'A'],
      ['targets', 'B'],
      ['B', 'C'],
      ['C', 'D'],
      ['D', 'B'],
    ],
    visited: 'ABCD',
  },
  'two ways': {
    edges: [
      ['targets', 'A'],
      ['targets', 'B'],
      ['B', 'C'],
      ['A', 'C'],
    ],
    visited: 'ACB',
  },
};

describe('delegations', () => {
  test.each(Object.entries(graphs))('%s: roles are asked in order', async (_, graph) => {
    const repository = new TufRepository();
    for (const [from, to, more] of graph.edges) repository.delegate(from, to, more);
    const names = new Set(graph.edges.map(([, to]) => to));
    repository.nextAll(...names);
    const client = await Client.init(repository);
    expect(await client.download('missing')).toBe('failed');
    const visited = [...graph.visited].map((name) => `metadata/1.${name}.json`);
    expect(repository.requests.slice(4)).toEqual(visited);
    repository.requests.length = 0;
    expect(await client.download('missing')).toBe('failed');
    expect(repository.requests).toEqual(['metadata/2.root.json', 'metadata/timestamp.json']);
  });

  test.each([
    ['README.md', 'A', true],
    ['releases/x/v1', 'BC', true],
    ['releases/y/v1.zip', 'BD', true],
    ['releases/z/v1.zip', 'B', false],
  ])('%s is looked for in %s', async (path, visited, isFound) => {
    const repository = new TufRepository();
    repository.delegate('targets', 'A', { paths: ['*.doc', '*.md'] });
    repository.delegate('targets', 'B', { paths: ['releases/*/*'] });
    repository.delegate('B', 'C', { paths: ['releases/x/*'] });
    repository.delegate('B', 'D', { paths: ['releases/y/*.zip'] });
    repository.addArtifact('A', 'README.md', 'by A');
    repository.addArtifact('C', 'releases/x/v1', 'by C');
    repository.addArtifact('D', 'releases/y/v1.zip', 'by D');
    repository.addArtifact('D', 'releases/z/v1.zip', 'not by D');
    repository.nextAll('A', 'B', 'C', 'D');
    const client = await Client.init(repository);
    expect(await client.download(path)).toBe(isFound ? 'good' : 'failed');
    const asked = repository.requests.filter((name) => /\.[A-D]\.json$/.test(name));
    expect(asked).toEqual([...visited].map((name) => `metadata/1.${name}.json`));
  });

  test.each(['?', '#', '/role', '../role', 'a b', '%25', 'ü'])(
    'the name %s of a role is quoted, and leads nowhere else',
    async (name) => {
      const repository = new TufRepository();
      repository.delegate('targets', name);
      repository.addArtifact(name, 'file', 'content');
      repository.nextAll(name);
      const client = await Client.init(repository);
      expect(await client.download('file')).toBe('good');
      expect(await client.versions()).toMatchObject({ [name]: 1 });
    },
  );

  test.each([
    ['a wrong key', 'REPOSITORY_SIGNATURE'],
    ['below its threshold', 'REPOSITORY_SIGNATURE'],
    ['expired', 'REPOSITORY_EXPIRED'],
    ['of another version', 'REPOSITORY_MIX_AND_MATCH'],
    ['missing', 'REPOSITORY_MIX_AND_MATCH'],
  ])('a delegated file, %s, is refused', async (what, code) => {
    const repository = new TufRepository();
    repository.delegate('targets', 'A');
    repository.addArtifact('A', 'file', 'content');
    if (what === 'a wrong key') repository.keys.set('A', [newKey('ed25519')]);
    const [role] = repository.targets.delegations?.roles ?? [];
    if (what === 'below its threshold') Object.assign(role ?? {}, { threshold: 2 });
    if (what === 'expired') repository.role('A').expires = past;
    repository.nextAll('A');
    if (what === 'of another version') {
      repository.role('A').version = 7;
      repository.files.set('1.A.json', repository.sign('A'));
    }
    if (what === 'missing') repository.files.delete('1.A.json');
    const client = await Client.init(repository);
    expect(await client.download('file')).toBe(code);
    expect(await client.downloaded()).toEqual([]);
    expect(await client.versions()).not.toHaveProperty('A');
  });
});
