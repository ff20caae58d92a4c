import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../tools/eventually.ts';
import { resultOf } from './ended-program.ts';
import type { ProgramEvent } from './running-program.ts';
import { askApp, TestFleet, untilActive, type TestHost } from './test-fleet.ts';
import { TufMirror, tufFilesOf, type TufFiles } from './tuf-mirror.ts';

interface ChannelView {
  readonly state: string;
  readonly fault?: { readonly code: string; readonly message: string };
  readonly release?: { readonly number: number };
  readonly activation: { readonly version: string };
}

async function channelOf({ directory }: TestHost): Promise<ChannelView> {
  const status = await resultOf('fetcher', ['status', '--dir', directory]);
  const [channel] = status.channels as ChannelView[];
  if (channel === undefined) throw new Error('no channel is followed');
  return channel;
}

const untilFollowing = (host: TestHost): Promise<true> =>
  eventually('the host follows again', async () => {
    const { state } = await channelOf(host);
    return state === 'following' ? true : undefined;
  });

const untilRefused = (host: TestHost, after = 0): Promise<ProgramEvent> =>
  host.fetcher.until(
    'the metadata refused',
    ({ event, state }) => {
      return event === 'fault' && state === 'refused';
    },
    { after },
  );

/** What an attacker has: what was served after each release, and what another root has signed. */
interface Loot {
  readonly first: TufFiles;
  readonly second: TufFiles;
  readonly foreign: TufFiles;
}

/** A file of a set, whatever its version is. */
function fileOf(files: TufFiles, role: string): string {
  const name = Object.keys(files).find((candidate) => candidate.endsWith(`${role}.json`));
  return files[name ?? ''] ?? '';
}

/** A document with one field of its signed part changed, and the signatures as they were. */
function altered(text: string, change: Record<string, unknown>): string {
  const document = JSON.parse(text) as { signed: object };
  return JSON.stringify({ ...document, signed: { ...document.signed, ...change } });
}

interface Attack {
  readonly what: string;
  readonly code: string;
  readonly says: RegExp;
  readonly serve: (loot: Loot) => Readonly<Record<string, string | undefined>>;
}

const attacks: readonly Attack[] = [
  {
    what: 'an older repository, all of it signed',
    code: 'REPOSITORY_ROLLBACK',
    says: /rolled back.*timestamp\.json is version 1, and version 2 was seen before/,
    serve: ({ first }) => first,
  },
  {
    what: 'no timestamp any more',
    code: 'REPOSITORY_ROLLBACK',
    says: /seen before/,
    serve: () => ({ 'timestamp.json': undefined }),
  },
  {
    what: 'a repository of other keys',
    code: 'REPOSITORY_SIGNATURE',
    says: /0 good signature/,
    serve: ({ foreign }) => foreign,
  },
  {
    what: 'a timestamp that was changed after it was signed',
    code: 'REPOSITORY_SIGNATURE',
    says: /changed after it was signed/,
    serve: ({ second }) => ({
      'timestamp.json': altered(second['timestamp.json'] ?? '', { version: 77 }),
    }),
  },
  {
    what: 'something that is no metadata',
    code: 'REPOSITORY_MALFORMED',
    says: /can't be read/,
    serve: () => ({ 'timestamp.json': '<html>welcome to the hotel</html>' }),
  },
  {
    what: 'metadata that nests deep',
    code: 'REPOSITORY_MALFORMED',
    says: /can't be read/,
    serve: () => ({ 'timestamp.json': '['.repeat(10_000) }),
  },
];

/** Two releases, a host at the second, and an attacker who has seen all of it. */
async function lootedFleet(): Promise<{
  fleet: TestFleet;
  mirror: TufMirror;
  host: TestHost;
  loot: Loot;
}> {
  const fleet = await TestFleet.start();
  const mirror = await TufMirror.start(fleet.url);
  const images = [await fleet.bake('1.0.0'), await fleet.bake('2.0.0')] as const;
  await fleet.seed();
  await fleet.release(images[0]);
  const first = await tufFilesOf(fleet.url);
  await fleet.release(images[1]);
  const second = await tufFilesOf(fleet.url);
  const host = await fleet.follow('host', { tracker: mirror.url });
  await untilActive(host, images[1]);

  const loot = { first, second, foreign: await releasedElsewhere() };
  return { fleet, mirror, host, loot };
}

/** What a tracker serves after four releases that have nothing to do with the fleet's. */
async function releasedElsewhere(init: { readonly keys?: string } = {}): Promise<TufFiles> {
  const elsewhere = await TestFleet.start(init);
  const image = await elsewhere.bake('6.6.6');
  for (const channel of ['a', 'b', 'c', 'stable']) await elsewhere.release(image, { channel });
  return tufFilesOf(elsewhere.url);
}

describe('a fetcher with a tracker that it must not believe', () => {
  test('refuses each lie by its name, keeps what runs, and follows when the truth is back', async () => {
    const { fleet, mirror, host, loot } = await lootedFleet();
    const before = await askApp(host);
    for (const { what, code, says, serve } of attacks) {
      const after = host.fetcher.events.length;
      mirror.serve(serve(loot));
      const fault = await untilRefused(host, after);
      expect.soft(fault, what).toMatchObject({ code });
      expect.soft(fault.message, what).toMatch(says);
      const { state, fault: told, activation } = await channelOf(host);
      expect.soft(state, what).toBe('refused');
      expect.soft(told, what).toEqual({ code: fault.code, message: fault.message });
      expect.soft(activation.version, what).toBe('2.0.0');
      expect(await askApp(host), what).toEqual(before);
      mirror.beHonest();
      await untilFollowing(host);
    }
    const third = await fleet.bake('3.0.0');
    await fleet.seed();
    await fleet.release(third);
    await untilActive(host, third);
  });

  test.each([
    [
      'the snapshot of another release',
      'snapshot',
      /snapshot\.json (has the SHA-256|is \d+ bytes)/,
    ],
    ['the targets of another release', 'targets', /targets\.json (has the SHA-256|is \d+ bytes)/],
    ['no snapshot', 'no snapshot', /no such snapshot\.json/],
    ['no targets', 'no targets', /no such targets\.json/],
  ] as const)('refuses %s in a new release as a mixture', async (_, what, says) => {
    const fleet = await TestFleet.start();
    const mirror = await TufMirror.start(fleet.url);
    const images = [await fleet.bake('1.0.0'), await fleet.bake('2.0.0')] as const;
    await fleet.seed();
    await fleet.release(images[0]);
    const first = await tufFilesOf(fleet.url);
    const host = await fleet.follow('host', { tracker: mirror.url });
    await untilActive(host, images[0]);
    const before = await askApp(host);

    const role = what.replace('no ', '');
    mirror.serve({ [`2.${role}.json`]: what === role ? fileOf(first, role) : undefined });
    await fleet.release(images[1]);
    const fault = await untilRefused(host);
    expect(fault).toMatchObject({ code: 'REPOSITORY_MIX_AND_MATCH' });
    expect(fault.message).toMatch(says);
    expect(await askApp(host)).toEqual(before);
    mirror.beHonest();
    await untilActive(host, images[1]);
  });

  test('refuses a repository that nobody renews, and follows when it is renewed', async () => {
    const fleet = await TestFleet.start();
    const image = await fleet.bake('1.0.0');
    await fleet.seed();
    await fleet.release(image);
    const host = await fleet.follow('host');
    await untilActive(host, image);
    const before = await askApp(host);

    const renew = ['keys', 'renew', ...fleet.publishArgs()];
    await resultOf('seeder', [...renew, '--expires', '5s']);
    const fault = await untilRefused(host);
    expect(fault).toMatchObject({ code: 'REPOSITORY_EXPIRED' });
    expect(fault.message).toMatch(/expired at .*: check the clock/);
    expect(await askApp(host)).toEqual(before);

    await resultOf('seeder', renew);
    await untilFollowing(host);
    expect(await askApp(host)).toEqual(before);
  });

  test('refuses a repository that the right keys have begun anew, and the old one after it', async () => {
    const { fleet, mirror, host } = await lootedFleet();
    mirror.serve(await releasedElsewhere({ keys: fleet.keys }));
    const anew = await untilRefused(host);
    expect(anew).toMatchObject({ code: 'REPOSITORY_ROLLBACK' });
    expect(anew.message).toContain('hello/stable is at release 1, and release 2 was seen before');

    // TUF 1.0, "5.4.3": a newer timestamp that was seen makes the others old.
    const after = host.fetcher.events.length;
    mirror.beHonest();
    const old = await untilRefused(host, after);
    expect(old.message).toContain('timestamp.json is version 2, and version 4 was seen before');
    expect(await askApp(host)).toMatchObject({ version: '2.0.0' });

    // What the message advises: publish again, until the versions are higher.
    const third = await fleet.bake('3.0.0');
    await fleet.seed();
    for (const channel of ['a', 'b', 'stable']) await fleet.release(third, { channel });
    await untilActive(host, third);
  });

  test('remembers what it has seen when it starts again', async () => {
    const { fleet, mirror, host, loot } = await lootedFleet();
    await host.fetcher.end();
    mirror.serve(loot.first);
    const again = await fleet.followAgain(host);
    expect(await untilRefused(again)).toMatchObject({ code: 'REPOSITORY_ROLLBACK' });
    expect(await askApp(again)).toMatchObject({ version: '2.0.0' });
  });

  test('with nothing seen before takes nothing from a tracker of other keys', async () => {
    const fleet = await TestFleet.start();
    const other = await TestFleet.start();
    const image = await other.bake('6.6.6');
    await other.seed();
    await other.release(image);
    const host = await fleet.follow('host', { tracker: other.url });
    expect(await untilRefused(host)).toMatchObject({ code: 'REPOSITORY_SIGNATURE' });
    const { activation } = await channelOf(host);
    expect(activation).toMatchObject({ state: 'empty' });
    expect(await readdir(join(host.directory, 'store'))).toEqual([]);
  });
});
