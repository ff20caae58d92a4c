import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ConfigError, RepositoryError, TrackerError } from '../../../src/errors.ts';
import type { MetadataSet } from '../../../src/trust/metadata-set.ts';
import { generateKey } from '../../../src/trust/signing-key.ts';
import {
  codeOf,
  createPublisher,
  edited,
  forge,
  imageNumber,
  makeRoot,
  releases,
  Repository,
  temporaryDirectory,
  type Signed,
} from './repository.ts';

/** Three releases, the second of them published and verified by one host. */
async function host() {
  const publisher = await createPublisher();
  const [first, second, third] = releases(publisher, 3);
  if (second === undefined || third === undefined) throw new Error('there are three');
  const repository = new Repository();
  repository.publish(first);
  repository.publish(second);
  const directory = join(await temporaryDirectory(), 'trust');
  const init = { directory, root: publisher.root };
  const client = repository.client(init);
  await client.refresh();
  const sets: { first: MetadataSet; second: MetadataSet; third: MetadataSet } = {
    first,
    second,
    third,
  };
  return { publisher, repository, client, init, ...sets };
}

/** What a host that was just started reports. */
const reported = async (world: Awaited<ReturnType<typeof host>>) =>
  (await world.repository.client(world.init).releaseOf('hello', 'stable'))?.release;

/** The refusal of a refresh, after which the release is still the second one, also after a restart. */
async function refusal(world: Awaited<ReturnType<typeof host>>): Promise<RepositoryError> {
  const error: unknown = await world.client.refresh().catch((error: unknown) => error);
  expect(await reported(world)).toBe(2);
  expect((await world.client.releaseOf('hello', 'stable'))?.release).toBe(2);
  expect(await world.client.current()).toEqual(world.second);
  const again: unknown = await world.repository
    .client(world.init)
    .refresh()
    .catch((error: unknown) => error);
  if (!(error instanceof RepositoryError)) throw new Error('it was not refused', { cause: error });
  expect(again).toMatchObject({ code: error.code });
  return error;
}

const newer = (version: number) => (signed: Signed) => {
  signed.version = version;
};
const ended = (signed: Signed) => {
  signed.expires = '2020-01-01T00:00:00Z';
};

test('a good update is verified, and known to the next client', async () => {
  const world = await host();
  const { client, repository, init, second, third } = world;
  expect(await client.releaseOf('hello', 'stable')).toEqual({ ...imageNumber(2), release: 2 });
  expect(await client.current()).toEqual(second);
  repository.publish(third);
  await client.refresh();
  repository.files.clear();
  const restarted = repository.client(init);
  expect(await restarted.releases()).toEqual([{ ...imageNumber(3), release: 3 }]);
  expect(await restarted.current()).toEqual(third);
});

test('nothing is left behind by a refresh but what was verified', async () => {
  const { init, client, repository } = await host();
  repository.files.set('timestamp.json', 'garbage');
  expect(await codeOf(() => client.refresh())).toBe('REPOSITORY_MALFORMED');
  expect((await readdir(init.directory)).sort()).toEqual(['trusted-copy.state', 'trusted.state']);
});

test('a repository in which nothing was published has no releases', async () => {
  const { root } = await createPublisher();
  const init = { directory: await temporaryDirectory(), root };
  const client = new Repository().client(init);
  await client.refresh();
  expect(await client.current()).toBeUndefined();
  expect(await client.releases()).toEqual([]);
  await expect(client.expectRelease('hello', 'stable')).rejects.toMatchObject({
    code: 'REPOSITORY_NO_RELEASE',
    message: expect.stringContaining('seeder release hello stable IMAGE') as string,
  });
});

test('a channel without a release is told apart from a refusal', async () => {
  const { client } = await host();
  expect(await client.releaseOf('hello', 'beta')).toBeUndefined();
  expect(await client.releaseOf('__proto__', 'x')).toBeUndefined();
  expect(await client.expectRelease('hello', 'stable')).toMatchObject({ release: 2 });
  await expect(client.expectRelease('hello', 'beta')).rejects.toMatchObject({
    code: 'REPOSITORY_NO_RELEASE',
    evidence: { expected: 'hello/beta', actual: ['hello/stable'] },
  });
});

test('rollback of timestamp is refused', async () => {
  const world = await host();
  world.repository.publish(world.first);
  expect(await refusal(world)).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    evidence: { role: 'timestamp', expected: 2, actual: 1 },
  });
});

test('rollback of snapshot is refused', async () => {
  const world = await host();
  world.repository.publish(forge(world.publisher, world.first, { timestamp: newer(3) }));
  expect(await refusal(world)).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    message: expect.stringContaining('version 2 of snapshot.json was seen before') as string,
    evidence: { expected: 2, actual: 1 },
  });
});

test('rollback of targets is refused', async () => {
  const world = await host();
  const { publisher, first, repository } = world;
  repository.publish(forge(publisher, first, { snapshot: newer(3), timestamp: newer(3) }));
  expect(await refusal(world)).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    message: expect.stringContaining('version 2 of targets.json was seen before') as string,
    evidence: { role: 'snapshot', expected: 2, actual: 1 },
  });
});

test('rollback of a release number is refused', async () => {
  const world = await host();
  const edits = { targets: newer(3), snapshot: newer(3), timestamp: newer(3) };
  world.repository.publish(forge(world.publisher, world.first, edits));
  expect(await refusal(world)).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    evidence: { role: 'targets', expected: 2, actual: 1 },
  });
});

test('a file that snapshot does not name any more is a rollback', async () => {
  const world = await host();
  const { publisher, third, repository, client } = world;
  const edits = {
    snapshot: (signed: Signed) => {
      newer(3)(signed);
      signed.meta['team.json'] = { version: 4 };
    },
    timestamp: newer(3),
  };
  repository.publish(forge(publisher, world.second, edits));
  await client.refresh();
  const without = forge(publisher, third, { snapshot: newer(4), timestamp: newer(4) });
  repository.publish(without);
  await expect(client.refresh()).rejects.toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    evidence: { role: 'snapshot', expected: 4, actual: 'none' },
  });
});

test('a repository that lost its timestamp is refused', async () => {
  const world = await host();
  world.repository.files.clear();
  expect(await refusal(world)).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    evidence: { role: 'timestamp', expected: 2, actual: 'no such file' },
  });
});

test.each(['timestamp', 'snapshot', 'targets'] as const)(
  'a freeze with an expired %s is refused',
  async (role) => {
    const world = await host();
    const edits = { [role]: ended };
    world.repository.publish(forge(world.publisher, world.third, edits));
    const error = await refusal(world);
    expect(error).toMatchObject({ code: 'REPOSITORY_EXPIRED', evidence: { role } });
    expect(error.message).toContain(`${role}.json expired at 2020-01-01T00:00:00Z`);
  },
);

test('metadata that expires while nothing new is served is a freeze', async () => {
  const world = await host();
  const { expires } = (JSON.parse(world.second.timestamp) as { signed: Signed }).signed;
  // tuf-js takes the time from the machine's clock.
  onTestFinished(() => void vi.useRealTimers());
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(expires) - 1_000 });
  await world.client.refresh();
  vi.setSystemTime(Date.parse(expires));
  expect(await refusal(world)).toMatchObject({
    code: 'REPOSITORY_EXPIRED',
    evidence: {
      role: 'timestamp',
      expected: `before ${expires}`,
      actual: expires.replace('Z', '.000Z'),
    },
  });
});

test('under an expired root nothing is accepted', async () => {
  const { publisher, repository } = await host();
  const root = edited(publisher.root, publisher.rootKey, ended);
  const client = repository.client({ directory: await temporaryDirectory(), root });
  await expect(client.refresh()).rejects.toMatchObject({
    code: 'REPOSITORY_EXPIRED',
    evidence: { role: 'root' },
  });
});

test.each(['snapshot', 'targets'] as const)(
  'mix and match with %s of another release is refused',
  async (role) => {
    const world = await host();
    world.repository.publish(world.third);
    world.repository.files.set(`3.${role}.json`, world.first[role]);
    expect(await refusal(world)).toMatchObject({
      code: 'REPOSITORY_MIX_AND_MATCH',
      evidence: { role },
    });
  },
);

test.each(['snapshot', 'targets'] as const)(
  'mix and match is noticed by the version of %s alone',
  async (role) => {
    const world = await host();
    const { publisher, third, second, repository } = world;
    const by = role === 'snapshot' ? 'timestamp' : 'snapshot';
    const bare = forge(publisher, third, {
      [by]: (signed: Signed) => {
        signed.meta = { [`${role}.json`]: { version: 3 } };
      },
    });
    repository.publish(bare);
    repository.files.set(`3.${role}.json`, second[role]);
    expect(await refusal(world)).toMatchObject({
      code: 'REPOSITORY_MIX_AND_MATCH',
      evidence: { role, expected: 3, actual: 2 },
    });
  },
);

test.each(['snapshot', 'targets'] as const)(
  'a %s of the right version and signature, but another content, is refused',
  async (role) => {
    const world = await host();
    const { publisher, third, repository } = world;
    const later = (signed: Signed) => {
      signed.expires = '2999-01-01T00:00:00Z';
    };
    repository.publish(third);
    repository.files.set(`3.${role}.json`, edited(third[role], publisher.keys[role], later));
    expect(await refusal(world)).toMatchObject({
      code: 'REPOSITORY_MIX_AND_MATCH',
      evidence: { role },
    });
  },
);

test('of two timestamps with one version the first counts', async () => {
  const world = await host();
  const { publisher, third, second, client, repository } = world;
  repository.publish(forge(publisher, third, { timestamp: newer(2) }));
  await client.refresh();
  expect(await client.current()).toEqual(second);
  expect(await reported(world)).toBe(2);
});

test.each(['snapshot', 'targets'] as const)('a %s that is missing is refused', async (role) => {
  const world = await host();
  world.repository.publish(world.third);
  world.repository.files.delete(`3.${role}.json`);
  expect(await refusal(world)).toMatchObject({
    code: 'REPOSITORY_MIX_AND_MATCH',
    evidence: { role, expected: 'version 3', actual: 'no such file' },
  });
});

test.each(['timestamp', 'snapshot', 'targets'] as const)(
  'a wrong key of %s is refused',
  async (role) => {
    const world = await host();
    const keys = { ...world.publisher.keys, [role]: generateKey().key };
    world.repository.publish(forge({ keys }, world.third, { [role]: () => undefined }));
    expect(await refusal(world)).toMatchObject({
      code: 'REPOSITORY_SIGNATURE',
      evidence: { role, expected: 1, actual: 0 },
    });
  },
);

test('the whole repository of a stranger is refused', async () => {
  const world = await host();
  for (const set of releases(await createPublisher(), 3)) world.repository.publish(set);
  expect((await refusal(world)).code).toBe('REPOSITORY_SIGNATURE');
});

test('a threshold of two is not met by one signature', async () => {
  const { publisher, repository } = await host();
  const { targets, snapshot, timestamp } = publisher.keys;
  const root = makeRoot({
    version: 1,
    keys: {
      root: [publisher.rootKey],
      targets: [targets, generateKey().key],
      snapshot: [snapshot],
      timestamp: [timestamp],
    },
    signers: [publisher.rootKey],
    threshold: { targets: 2 },
  });
  const client = repository.client({ directory: await temporaryDirectory(), root });
  await expect(client.refresh()).rejects.toMatchObject({
    code: 'REPOSITORY_SIGNATURE',
    evidence: { role: 'targets', expected: 2, actual: 1 },
  });
  expect(await client.releases()).toEqual([]);
});

test('endless data is bounded for every file', async () => {
  const world = await host();
  const { repository, third } = world;
  const names = ['2.root.json', 'timestamp.json', '3.snapshot.json', '3.targets.json'];
  for (const name of names) {
    repository.publish(third);
    repository.files.delete('2.root.json');
    repository.files.set(name, Buffer.alloc(9 << 20, ' '));
    expect(await refusal(world), name).toMatchObject({ code: 'REPOSITORY_MALFORMED' });
  }
  const asked = new Map(repository.requests.map(({ name, maxBytes }) => [name, maxBytes]));
  expect(names.map((name) => asked.get(name))).toEqual([65_536, 16_384, 262_144, 8_388_608]);
});

test('a signed length does not lift the bound', async () => {
  const world = await host();
  const { repository, publisher, third } = world;
  const huge = forge(publisher, third, {
    timestamp: (signed) => {
      signed.meta['snapshot.json'] = { version: 3, length: 2 ** 40 };
    },
  });
  repository.publish(huge);
  expect((await refusal(world)).code).toBe('REPOSITORY_MIX_AND_MATCH');
  const asked = repository.requests.filter(({ name }) => name === '3.snapshot.json');
  expect(new Set(asked.map(({ maxBytes }) => maxBytes))).toEqual(new Set([262_144]));
});

test('what is no metadata is refused', async () => {
  const world = await host();
  const { repository, publisher, second } = world;
  const { timestamp } = publisher.keys;
  const wrong = [
    '',
    '<html>not here</html>',
    Buffer.from([0xff, 0xfe, 0x00]),
    'null',
    second.targets,
    '['.repeat(10_000),
    edited(second.timestamp, timestamp, newer(-1)),
    edited(second.timestamp, timestamp, (signed) => (signed.meta = {})),
  ];
  for (const content of wrong) {
    repository.files.set('timestamp.json', content);
    expect((await refusal(world)).code).toBe('REPOSITORY_MALFORMED');
  }
});

test('a release that has not the form of one is refused, though it is signed', async () => {
  const world = await host();
  const { repository, publisher, third } = world;
  const edits = {
    targets: (signed: Signed) => {
      Object.assign(signed.targets['hello/stable'] ?? {}, { hashes: { sha256: 'ab'.repeat(32) } });
    },
  };
  repository.publish(forge(publisher, third, edits));
  expect(await refusal(world)).toMatchObject({
    code: 'REPOSITORY_MALFORMED',
    message: expect.stringContaining('is not the image id of the hash') as string,
  });
});

test('any byte that is changed on the way is noticed', async () => {
  const { publisher, third } = await host();
  const directory = await temporaryDirectory();
  const names = ['timestamp.json', '3.snapshot.json', '3.targets.json'];
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...names),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (name, position, bits) => {
        const repository = new Repository();
        repository.publish(third);
        const bytes = Buffer.from(repository.files.get(name) ?? '');
        const at = position % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ bits;
        repository.files.set(name, bytes);
        const init = { directory: join(directory, String(run++)), root: publisher.root };
        const client = repository.client(init);
        expect(await codeOf(() => client.refresh())).toMatch(/^REPOSITORY_/);
        expect(await client.releases()).toEqual([]);
      },
    ),
    { numRuns: 100 },
  );
});

test('a failure of the network passes through as it is, whatever was being fetched', async () => {
  const world = await host();
  const { repository, client, third } = world;
  const failure = new TrackerError('TRACKER_UNREACHABLE', 'no answer');
  for (const failing of ['2.root.json', 'timestamp.json', '3.snapshot.json', '3.targets.json']) {
    repository.publish(third);
    repository.onRequest = (name) => {
      if (name === failing) throw failure;
    };
    await expect(client.refresh(), failing).rejects.toBe(failure);
    expect(await reported(world)).toBe(2);
  }
  repository.onRequest = () => undefined;
  await client.refresh();
  expect(await reported(world)).toBe(3);
});

test('a timestamp whose set was not complete still keeps older ones out', async () => {
  const world = await host();
  const { repository, publisher, second, third } = world;
  repository.publish(forge(publisher, third, { timestamp: newer(5) }));
  repository.files.delete('3.snapshot.json');
  expect((await refusal(world)).code).toBe('REPOSITORY_MIX_AND_MATCH');
  repository.publish(forge(publisher, second, { timestamp: newer(4) }));
  expect(await refusal(world)).toMatchObject({
    code: 'REPOSITORY_ROLLBACK',
    evidence: { role: 'timestamp', expected: 5, actual: 4 },
  });
});

test('an aborted refresh ends with the reason of the abort', async () => {
  const { client, repository } = await host();
  const reason = new Error('enough');
  await expect(client.refresh({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  repository.onRequest = (name) => {
    if (name === '2.root.json') controller.abort(reason);
  };
  await expect(client.refresh({ signal: controller.signal })).rejects.toBe(reason);
});

test('refreshes of one client take turns', async () => {
  const { client, repository, third } = await host();
  repository.publish(third);
  await Promise.all([client.refresh(), client.refresh(), client.refresh()]);
  expect(await client.releases()).toMatchObject([{ release: 3 }]);
});

test('a directory that can not be used is an error of this disk', async () => {
  const { repository, publisher } = await host();
  const file = join(await temporaryDirectory(), 'file');
  await writeFile(file, '');
  const client = repository.client({ directory: join(file, 'trust'), root: publisher.root });
  expect(await codeOf(() => client.refresh())).toBe('STORAGE_FAILED');
});

test('a pinned root that can not be used is the fault of who gave it', async () => {
  const { repository, init, second } = await host();
  for (const root of ['', 'garbage', second.targets]) {
    expect(() => repository.client({ ...init, root })).toThrow(ConfigError);
  }
});
