import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { failureOf, resultOf } from './ended-program.ts';
import { TestFleet } from './test-fleet.ts';
import { tufFilesOf } from './tuf-mirror.ts';

/** What the tracker says that its channels name: "hello/stable 2 2.0.0". */
async function releasesOf(fleet: TestFleet): Promise<string[]> {
  const authorization = `Bearer ${(await readFile(fleet.tokenPath, 'utf8')).trim()}`;
  const response = await fetch(`${fleet.url}/v1/releases`, { headers: { authorization } });
  const { releases } = (await response.json()) as {
    releases: { app: string; channel: string; release: number; version: string }[];
  };
  return releases.map(
    ({ app, channel, release, version }) => `${app}/${channel} ${release} ${version}`,
  );
}

/** A push of a set that was served once, as it was. */
async function pushBody(fleet: TestFleet): Promise<string> {
  const files = Object.entries(await tufFilesOf(fleet.url));
  const named = files.map(([name, text]) => [name.replace(/^\d+\.|\.json$/g, ''), text]);
  return JSON.stringify(Object.fromEntries(named));
}

async function push(fleet: TestFleet, body: string, token?: string): Promise<Response> {
  const authorization = `Bearer ${token ?? (await readFile(fleet.tokenPath, 'utf8')).trim()}`;
  const headers = { authorization, 'content-type': 'application/json' };
  return fetch(`${fleet.url}/v1/releases`, { method: 'PUT', headers, body });
}

/** All that lies in the tracker's directory, with its content. */
async function stateOf(fleet: TestFleet): Promise<Record<string, string>> {
  const names = await readdir(fleet.trackerDirectory, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  const texts = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [path, await readFile(path, 'utf8')] as const;
  });
  return Object.fromEntries(await Promise.all(texts));
}

describe('secrets', () => {
  test('keys and token are for their owner alone, and are kept', async () => {
    const fleet = await TestFleet.start();
    expect((await stat(fleet.tokenPath)).mode & 0o777).toBe(0o600);
    const keys = (await readdir(fleet.keys)).filter((name) => name.endsWith('.key'));
    expect(keys.sort()).toEqual(['root.key', 'snapshot.key', 'targets.key', 'timestamp.key']);
    for (const key of keys) expect((await stat(join(fleet.keys, key))).mode & 0o777).toBe(0o600);
    const token = await readFile(fleet.tokenPath, 'utf8');
    const [another, ...others] = await Promise.all([TestFleet.start(), TestFleet.start()]);
    for (const { tokenPath } of [another, ...others]) {
      expect(await readFile(tokenPath, 'utf8')).not.toBe(token);
    }
    await fleet.tracker.end();
    await fleet.startTrackerAgain();
    expect(await readFile(fleet.tokenPath, 'utf8')).toBe(token);
  });

  test('keys that are there are not made anew', async () => {
    const fleet = await TestFleet.start();
    const before = await readFile(join(fleet.keys, 'root.key'), 'utf8');
    const failure = await failureOf('seeder', ['keys', 'init', '--keys', fleet.keys]);
    expect(failure.exit).toBe(2);
    expect(failure.message).toContain(fleet.keys);
    expect(await readFile(join(fleet.keys, 'root.key'), 'utf8')).toBe(before);
  });
});

describe('a release is refused', () => {
  test('with a wrong token, by exit code 3', async () => {
    const fleet = await TestFleet.start();
    const image = await fleet.bake('1.0.0');
    const tokenFile = join(fleet.directory, 'wrong-token');
    await writeFile(tokenFile, 'A'.repeat(43));
    const before = await stateOf(fleet);
    const args = [...fleet.releaseArgs(image), ...fleet.publishArgs({ tokenFile })];
    const failure = await failureOf('seeder', args);
    expect(failure).toMatchObject({ exit: 3, code: 'TRACKER_REFUSED' });
    expect(failure.message).toContain('token');
    expect(await stateOf(fleet)).toEqual(before);
  });

  test('with the keys of another root, by exit code 3', async () => {
    const fleet = await TestFleet.start();
    const keys = join(fleet.directory, 'other-keys');
    await resultOf('seeder', ['keys', 'init', '--keys', keys]);
    const image = await fleet.bake('1.0.0');
    const foreign = [...fleet.releaseArgs(image), ...fleet.publishArgs({ keys })];
    const before = await stateOf(fleet);
    const first = await failureOf('seeder', foreign);
    expect(first).toMatchObject({ exit: 3, code: 'REPOSITORY_SIGNATURE' });
    expect(await stateOf(fleet)).toEqual(before);
    await fleet.release(image);
    const second = await failureOf('seeder', foreign);
    expect(second).toMatchObject({ exit: 3, code: 'REPOSITORY_SIGNATURE' });
    expect(await releasesOf(fleet)).toEqual(['hello/stable 1 1.0.0']);
  });

  test('when it is an old one again, or the same again, and nothing changes', async () => {
    const fleet = await TestFleet.start();
    await fleet.release(await fleet.bake('1.0.0'));
    const old = await pushBody(fleet);
    await fleet.release(await fleet.bake('2.0.0'));
    const before = await stateOf(fleet);
    for (const body of [old, await pushBody(fleet)]) {
      const response = await push(fleet, body);
      expect(response.status).toBe(409);
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(await response.json()).toMatchObject({ code: 'REPOSITORY_ROLLBACK', status: 409 });
    }
    expect(await stateOf(fleet)).toEqual(before);
    expect(await releasesOf(fleet)).toEqual(['hello/stable 2 2.0.0']);
  });

  test.each(['', 'wrong', 'Bearer'])('with the token "%s" before it is read', async (token) => {
    const fleet = await TestFleet.start();
    const response = await push(fleet, '{', token);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: 'UNAUTHORIZED' });
  });
});

describe('what was acknowledged stays', () => {
  test('when several release at once: all of them are released', async () => {
    const fleet = await TestFleet.start();
    const image = await fleet.bake('1.0.0');
    const channels = ['a', 'b', 'c', 'd'];
    const releases = await Promise.all(
      channels.map((channel) => fleet.release(image, { channel })),
    );
    expect(releases).toMatchObject(channels.map((channel) => ({ channel, release: 1 })));
    expect(await releasesOf(fleet)).toEqual(channels.map((name) => `hello/${name} 1 1.0.0`));
    const same = await Promise.all([fleet.release(image), fleet.release(image)]);
    expect(same.map(({ release }) => release).sort()).toEqual([1, 2]);
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)('when the tracker ends by %s', async (signal) => {
    const fleet = await TestFleet.start();
    const image = await fleet.bake('1.0.0');
    await fleet.release(image);
    await fleet.release(image, { channel: 'next' });
    const before = await tufFilesOf(fleet.url);
    await fleet.tracker.end(signal);
    await fleet.startTrackerAgain();
    expect(await tufFilesOf(fleet.url)).toEqual(before);
    await fleet.release(await fleet.bake('2.0.0'));
    expect(await releasesOf(fleet)).toEqual(['hello/next 1 1.0.0', 'hello/stable 2 2.0.0']);
  });
});
