import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Seal } from '../../../src/swarm/index.ts';
import { clockSkewMs, Identity } from '../../../src/trust/index.ts';
import { eventually } from '../../tools/eventually.ts';
import { FleetKey, type CredentialInit } from '../../tools/fleet-key.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const fleet = new FleetKey();
let paths: { identity: string; credential: string; revocations: string };
let peerId: string;
let warnings: string[];

beforeEach(async () => {
  const directory = await temporaryDirectory();
  const [identity, credential, revocations] = ['key', 'credential', 'revocations'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  paths = { identity, credential, revocations };
  ({ peerId } = await Identity.open(identity));
  warnings = [];
});

async function openSeal(fleetId = fleet.fleetId, revocationsPath?: string): Promise<Seal> {
  const seal = await Seal.open({
    identityPath: paths.identity,
    fleet: { fleetId, credentialPath: paths.credential, revocationsPath },
    lookMs: 20,
    onWarning: (message, error) => warnings.push(`${message}: ${String(error)}`),
  });
  onTestFinished(() => seal[Symbol.asyncDispose]());
  return seal;
}

const issue = (init: CredentialInit = {}) =>
  writeFile(paths.credential, `${fleet.issue(peerId, init)}\n`);

/** Puts another file in the place of one. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

const refusalOf = (opening: Promise<Seal>): Promise<Error> =>
  opening.then(
    () => Promise.reject(new Error('it was opened')),
    (error: unknown) => error as Error,
  );

const until = (what: string, holds: () => boolean) =>
  eventually(what, () => Promise.resolve(holds() ? true : undefined), { deadlineMs: 10_000 });

test('a host belongs by what its files say, and what they say later is taken over', async () => {
  await issue({ apps: ['a'] });
  await writeFile(paths.revocations, fleet.revoke());
  const seal = await openSeal(fleet.fleetId, paths.revocations);
  expect(seal.fleet?.claims).toMatchObject({ peerId, apps: ['a'] });
  expect(seal.members.size).toBe(0);
  let changes = 0;
  if (seal.fleet !== undefined) seal.fleet.onChange = () => (changes += 1);
  const other = fleet.fleetId;
  await replace(paths.credential, fleet.issue(peerId, { apps: ['b'] }));
  await replace(paths.revocations, fleet.revoke(other));
  await until('both are taken over', () => changes === 2);
  expect(seal.fleet?.claims?.apps).toEqual(['b']);
  expect(seal.fleet?.isRevoked(other)).toBe(true);
  expect(warnings).toEqual([]);
});

test('a change that can not be used is warned of, and what was there stays', async () => {
  await issue();
  const older = fleet.revoke(peerId);
  await writeFile(paths.revocations, fleet.revoke());
  const seal = await openSeal(fleet.fleetId, paths.revocations);
  const before = seal.fleet?.credential;
  await replace(paths.credential, new FleetKey().issue(peerId));
  await replace(paths.revocations, older);
  await until('both are warned of', () => warnings.length === 2);
  expect(warnings.sort()).toEqual([
    expect.stringMatching(
      /^the credential stays as it was: .*credential: .*is not signed by the key/,
    ),
    expect.stringMatching(/^the revocation list stays as it was: .*number \d+ is known/),
  ]);
  expect(seal.fleet?.credential).toBe(before);
  expect(seal.fleet?.isRevoked(peerId)).toBe(false);
});

describe('at the start', () => {
  test('a credential that has expired keeps no host from starting', async () => {
    await issue({ expiresInMs: -2 * clockSkewMs });
    const seal = await openSeal();
    expect(seal.fleet?.whyOutcast(new Date())).toContain('has expired');
  });

  test.each<[string, string, () => Promise<void>]>([
    [
      'another fleet',
      'is not signed by the key',
      () => writeFile(paths.credential, new FleetKey().issue(peerId)),
    ],
    [
      'another host',
      'the credential is about',
      () => writeFile(paths.credential, fleet.issue(fleet.fleetId)),
    ],
    ['nobody', 'is not of the form', () => writeFile(paths.credential, '')],
    ['no fleet', 'it is no credential', () => writeFile(paths.credential, 'x'.repeat(300_000))],
  ])('a credential of %s is refused, and named', async (_, why, write) => {
    await write();
    const refusal = await refusalOf(openSeal());
    expect(refusal).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(refusal.message).toContain(why);
    expect(refusal.message).toContain(paths.credential);
  });

  test('no credential at all is refused with how to get one', async () => {
    const refusal = await refusalOf(openSeal());
    expect(refusal).toMatchObject({ code: 'CONFIG_MISSING' });
    expect(refusal.message).toContain(`for this host, ${peerId}`);
  });

  test('a fleet id that is none is refused', async () => {
    await issue();
    await expect(openSeal('fleet')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
