import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { failureOf, resultOf } from './ended-program.ts';
import { TestFleet, untilActive, type BakedImage } from './test-fleet.ts';

async function releaseNumber(fleet: TestFleet): Promise<unknown> {
  const authorization = `Bearer ${(await readFile(fleet.tokenPath, 'utf8')).trim()}`;
  const response = await fetch(`${fleet.url}/v1/releases`, { headers: { authorization } });
  const { releases } = (await response.json()) as { releases: { release: number }[] };
  return releases[0]?.release;
}

/** What someone needs to release with keys of their own: those, and any root of the chain. */
async function withKeys(fleet: TestFleet, ...keys: string[]): Promise<string[]> {
  const root = join(fleet.directory, 'first-root.json');
  await writeFile(root, await readFile(fleet.root, 'utf8'), { flag: 'wx' }).catch(() => undefined);
  return [...keys.flatMap((key) => ['--key', key]), '--root', root];
}

async function makeKey(fleet: TestFleet, name: string): Promise<{ key: string; pub: string }> {
  const key = join(fleet.directory, `${name}.key`);
  const made = await resultOf('seeder', ['keys', 'create', key]);
  expect((await stat(key)).mode & 0o777).toBe(0o600);
  return { key, pub: String(made.publicKey) };
}

test('a team releases its app, the tracker signs the rest, and a host follows over new keys', async () => {
  const fleet = await TestFleet.start({ isOnline: true });
  expect((await readdir(fleet.keys)).sort()).toEqual(['root.json', 'root.key', 'targets.key']);
  const images = await Promise.all(['1.0.0', '2.0.0', '3.0.0'].map((one) => fleet.bake(one)));
  const [first, second, third] = images as [BakedImage, BakedImage, BakedImage];
  await fleet.seed();
  await fleet.release(first);
  const host = await fleet.follow('host');
  await untilActive(host, first);

  const team = await makeKey(fleet, 'team');
  const as = await withKeys(fleet, team.key);
  const tracker = ['--tracker', fleet.url, '--token-file', fleet.tokenPath];
  const keys = ['--keys', fleet.keys, ...tracker];
  await resultOf('seeder', ['keys', 'delegate', 'hello', '--key', team.pub, ...keys]);
  await resultOf('seeder', [...fleet.releaseArgs(second), ...as, ...tracker]);
  await untilActive(host, second);

  // The app is the team's now.
  const own = await failureOf('seeder', [...fleet.releaseArgs(third), ...keys]);
  expect(own).toMatchObject({ exit: 2, code: 'CONFIG_INVALID' });

  const rotated = await resultOf('seeder', ['keys', 'rotate', 'root', ...keys]);
  expect(rotated).toMatchObject({ rootVersion: 2, newKey: join(fleet.keys, 'root.key') });
  await resultOf('seeder', ['keys', 'rotate', 'targets', ...keys]);
  // The team has the first root only, as the host has: both follow the chain.
  await resultOf('seeder', [...fleet.releaseArgs(third), ...as, ...tracker]);
  await untilActive(host, third);
  expect(await releaseNumber(fleet)).toBe(3);
});

test('two of three key holders sign a release, each on their own', async () => {
  const fleet = await TestFleet.start({ isOnline: true });
  const image = await fleet.bake('1.0.0');
  const holders = await Promise.all(['a', 'b', 'c'].map((name) => makeKey(fleet, name)));
  const [a, b] = holders.map(({ key }) => key) as [string, string, string];
  const tracker = ['--tracker', fleet.url, '--token-file', fleet.tokenPath];
  const keys = ['--keys', fleet.keys, ...tracker];
  const publicKeys = holders.flatMap(({ pub }) => ['--key', pub]);
  await resultOf('seeder', [
    'keys',
    'rotate',
    'targets',
    ...publicKeys,
    '--threshold',
    '2',
    ...keys,
  ]);

  const out = join(fleet.directory, 'release.json');
  const alone = [...fleet.releaseArgs(image), ...(await withKeys(fleet, a)), ...tracker];
  const tooFew = await failureOf('seeder', alone);
  expect(tooFew).toMatchObject({ code: 'REPOSITORY_SIGNATURE' });
  await resultOf('seeder', [...alone, '--out', out]);
  const push = ['keys', 'push', out, ...keys];
  expect(await failureOf('seeder', push)).toMatchObject({ code: 'REPOSITORY_SIGNATURE' });
  expect(await releaseNumber(fleet)).toBeUndefined();
  await resultOf('seeder', ['keys', 'sign', out, '--key', b]);
  await resultOf('seeder', push);
  expect(await releaseNumber(fleet)).toBe(1);
});
