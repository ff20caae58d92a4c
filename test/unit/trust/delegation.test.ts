import fc from 'fast-check';
import { expect, test } from 'vitest';
import { summarizeSet, verifyUpdate, type MetadataSet } from '../../../src/trust/metadata-set.ts';
import { readPublishedSet } from '../../../src/trust/published-set.ts';
import { renewFiles } from '../../../src/trust/sign-release.ts';
import { generateKey } from '../../../src/trust/signing-key.ts';
import { DelegatedWorld } from './delegated-world.ts';
import { codeOf, imageNumber, versionOf, type Signed } from './repository.ts';

/** Two releases by the targets key, then the app is a team's, which has released once. */
async function team() {
  const world = await DelegatedWorld.create();
  const { key } = generateKey();
  world.publish(world.release(1).update);
  world.publish(world.release(2).update);
  const before = world.set;
  world.publish(world.delegate('hello', [key]));
  const handed = world.set;
  world.publish(world.release(3, [key]).update);
  return { world, key, before, handed };
}

const verify = (world: DelegatedWorld, next: MetadataSet, current = world.set) => {
  verifyUpdate({ root: world.publisher.root, current, next, now: world.now });
};

const releaseOf = async (world: DelegatedWorld, apps?: readonly string[]) =>
  (await world.host(apps).releaseOf('hello', 'stable'))?.release;

test('a team releases its app, by a file of its own', async () => {
  const { world } = await team();
  const host = world.host();
  await host.refresh();
  expect(await host.releases()).toEqual([{ ...imageNumber(3), release: 3 }]);
  expect(await host.current()).toEqual(world.set);
  world.repository.files.clear();
  expect(await releaseOf(world)).toBe(3);
});

test('what was released stays so until the team releases, in each channel', async () => {
  const world = await DelegatedWorld.create();
  const { key } = generateKey();
  world.publish(world.release(1).update);
  world.publish(world.release(5, undefined, 'hello/beta').update);
  world.publish(world.delegate('hello', [key]));
  const host = world.host();
  await host.refresh();
  expect(await host.releases()).toMatchObject([
    { channel: 'beta', release: 1 },
    { channel: 'stable', release: 1 },
  ]);
  world.publish(world.release(2, [key]).update);
  await host.refresh();
  expect(await host.releases()).toMatchObject([
    { channel: 'beta', release: 1, version: '5.0.0' },
    { channel: 'stable', release: 2, version: '2.0.0' },
  ]);
});

test('release numbers go on over a delegation, other keys, and back', async () => {
  const { world, key } = await team();
  const host = world.host();
  const numbers: unknown[] = [];
  const publish = async (update: Parameters<typeof world.publish>[0]) => {
    world.publish(update);
    await host.refresh();
    numbers.push(await releaseOf(world));
  };
  await publish(world.release(4, [key]).update);
  const other = generateKey().key;
  await publish(world.delegate('hello', [other]));
  expect(await codeOf(() => world.release(5, [key]))).toBe('CONFIG_INVALID');
  await publish(world.release(5, [other]).update);
  await publish(world.undelegate('hello'));
  await publish(world.release(6).update);
  await publish(world.delegate('hello', [key]));
  await publish(world.release(7, [key]).update);
  expect(numbers).toEqual([4, 4, 5, 5, 6, 6, 7]);
  expect(versionOf(world.set?.delegated?.hello ?? '')).toBe(4);
});

test('a host that has missed all steps between follows too', async () => {
  const { world, key } = await team();
  await world.host().refresh();
  world.publish(world.undelegate('hello'));
  world.publish(world.release(4).update);
  world.publish(world.delegate('hello', [key]));
  world.publish(world.release(5, [key]).update);
  await world.host().refresh();
  expect(await releaseOf(world)).toBe(5);
});

test('the keys of one app release no other, and not by the files of the repository', async () => {
  const { world, key } = await team();
  expect(await codeOf(() => world.release(1, [key], 'other/stable'))).toBe('CONFIG_INVALID');
  // Nor does the targets key release an app that is a team's.
  expect(await codeOf(() => world.release(4))).toBe('CONFIG_INVALID');
});

test('a host fetches the files of the apps that it follows, and each once', async () => {
  const { world, key } = await team();
  world.publish(world.delegate('other', [key]));
  world.publish(world.release(1, [key], 'other/stable').update);
  const { requests } = world.repository;
  requests.length = 0;
  const host = world.host(['hello']);
  await host.refresh();
  expect(requests.map(({ name }) => name).slice(4)).toEqual(['1.hello.json']);
  expect(await host.releases()).toMatchObject([{ app: 'hello', release: 3 }]);
  requests.length = 0;
  world.publish(world.release(2, [key], 'other/stable').update);
  await host.refresh();
  expect(requests.map(({ name }) => name)).not.toContain('1.hello.json');
  expect(await releaseOf(world, ['hello'])).toBe(3);
});

test('a team whose file has expired stops those who follow it, and nobody else', async () => {
  const { world, key } = await team();
  const other = generateKey().key;
  world.publish(world.delegate('other', [other]));
  const expired = (signed: Signed) => {
    signed.expires = '2020-01-01T00:00:00Z';
  };
  const forged = world.forgeDelegated('hello', [key], expired);
  expect(await codeOf(() => verify(world, forged))).toBe('REPOSITORY_EXPIRED');
  world.set = forged;
  world.publish(world.release(1, [other], 'other/stable').update);
  expect(await codeOf(() => world.host(['hello']).refresh())).toBe('REPOSITORY_EXPIRED');
  await world.host(['other']).refresh();
  expect(await world.host(['other']).releases()).toMatchObject([{ app: 'other' }]);
});

test('two of three sign a release, one is too few', async () => {
  const world = await DelegatedWorld.create();
  const keys = [generateKey().key, generateKey().key, generateKey().key] as const;
  world.publish(world.release(1).update);
  world.publish(world.delegate('hello', keys, 2));
  expect(await codeOf(() => world.release(2, keys.slice(0, 1)))).toBe('REPOSITORY_SIGNATURE');
  world.publish(world.release(2, keys.slice(1)).update);
  await world.host().refresh();
  expect(await releaseOf(world)).toBe(2);
  const teamKeys = [keys[0], keys[0]];
  expect(await codeOf(() => world.delegate('hello', teamKeys, 2))).toBe('CONFIG_INVALID');
});

test('an app that has the name of a top-level role can not be a team', async () => {
  const world = await DelegatedWorld.create();
  for (const app of ['root', 'targets', 'snapshot', 'timestamp', 'a/b', '']) {
    expect(await codeOf(() => world.delegate(app, [generateKey().key])), app).toBe(
      'CONFIG_INVALID',
    );
  }
  expect(await codeOf(() => world.undelegate('hello'))).toBe('CONFIG_INVALID');
});

test('the set is told whole, and a team signs again what it has released', async () => {
  const { world, key } = await team();
  expect(summarizeSet(world.published)).toMatchObject({
    targetsVersion: 3,
    snapshotVersion: 4,
    delegatedVersions: { hello: 1 },
    releases: [{ app: 'hello', release: 3 }],
  });
  const { fetchMetadata } = world.repository;
  const { root } = world.publisher;
  expect(await readPublishedSet({ fetchMetadata }, { root })).toEqual(world.set);
  const none = await readPublishedSet({ fetchMetadata }, { root, apps: [] });
  expect(none).toEqual({ ...world.set, delegated: undefined });
  const current = world.published;
  const init = { root, keys: [key], now: world.now, current };
  expect(renewFiles(init)).toEqual({});
  world.publish(renewFiles({ ...init, evenWhenFresh: true }));
  expect(world.set?.delegated?.hello).toContain('"version":2');
  await world.host().refresh();
  expect(await releaseOf(world)).toBe(3);
});

test('whatever is done in whatever order, a host sees release numbers that never fall', async () => {
  const keys = [generateKey().key, generateKey().key] as const;
  const step = fc.constantFrom('release', 'delegate', 'delegate other', 'undelegate', 'look');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const world = await DelegatedWorld.create();
      const host = world.host();
      let owner: readonly [] | readonly [(typeof keys)[number]] = [];
      let [last, number] = [0, 0];
      const release = () => {
        number += 1;
        world.publish(world.release(number, owner.length === 0 ? undefined : owner).update);
      };
      release();
      for (const what of [...steps, 'look']) {
        if (what === 'release') release();
        else if (what === 'undelegate') {
          if (owner.length > 0) world.publish(world.undelegate('hello'));
          owner = [];
        } else if (what !== 'look') {
          owner = [what === 'delegate' ? keys[0] : keys[1]];
          world.publish(world.delegate('hello', owner));
        } else {
          await host.refresh();
          const seen = (await host.releaseOf('hello', 'stable'))?.release ?? 0;
          expect(seen).toBe(number);
          expect(seen).toBeGreaterThanOrEqual(last);
          last = seen;
        }
      }
    }),
    { numRuns: 8 },
  );
});
