import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Identity, readRevocations, verifyCredential } from '../../../src/trust/index.ts';
import { createFleet, makeCredential, revoke } from '../../../tracker/fleet/offline-fleet.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const now = new Date('2026-05-01T10:00:00.000Z');
const { peerId } = Identity.generate();
const order = { peerId, roles: ['host'], apps: ['*'], labels: [], ttlMs: 1_000, now };

test('a fleet is its key, which only its owner can read, and is made once', async () => {
  const directory = join(await temporaryDirectory(), 'fleet');
  const made = await createFleet(directory);
  expect((await stat(made.keyPath)).mode & 0o777).toBe(0o600);
  expect(await createFleet(directory)).toEqual(made);
  await chmod(made.keyPath, 0o644);
  await expect(createFleet(directory)).rejects.toThrow('chmod 600');
});

test('a credential says what was ordered, and members take it', async () => {
  const directory = await temporaryDirectory();
  const { fleetId } = await createFleet(directory);
  const labels = ['zone=z1', 'rack=r1'];
  const made = await makeCredential(directory, { ...order, apps: ['b', 'a*'], labels });
  expect(made).toMatchObject({ fleetId, peerId, expiresAt: '2026-05-01T10:00:01.000Z' });
  const init = { fleetId, peerId, now, revocations: undefined };
  expect(verifyCredential(made.credential, init)).toMatchObject({
    roles: ['host'],
    apps: ['a*', 'b'],
    labels: { zone: 'z1', rack: 'r1' },
  });
});

test.each<[string, Partial<typeof order> | { labels: string[] }, string]>([
  ['a role', { roles: ['root'] }, 'is no role'],
  ['a label', { labels: ['zone'] }, 'is not NAME=VALUE'],
  ['a peer id', { peerId: 'host-1' }, 'is no peer id'],
  ['a pattern', { apps: ['a*b'] }, 'apps are'],
])('%s that is none is refused', async (_, wrong, why) => {
  const directory = await temporaryDirectory();
  await createFleet(directory);
  const making = makeCredential(directory, { ...order, ...wrong });
  await expect(making).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(making).rejects.toThrow(why);
});

describe('revoked peers', () => {
  test('stay revoked, and each list has the next number', async () => {
    const directory = await temporaryDirectory();
    const { fleetId } = await createFleet(directory);
    const other = Identity.generate().peerId;
    expect(await revoke(directory, [peerId], now)).toMatchObject({ number: 1 });
    const { number, path } = await revoke(directory, [other, peerId], now);
    expect(number).toBe(2);
    const list = readRevocations((await readFile(path, 'utf8')).trim(), { fleetId });
    expect(list).toMatchObject({ number: 2, peerIds: new Set([peerId, other]) });
  });

  test('are not forgotten because the list can not be read', async () => {
    const directory = await temporaryDirectory();
    await createFleet(directory);
    const { path } = await revoke(directory, [peerId], now);
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, 50));
    const revoking = revoke(directory, [peerId], now);
    await expect(revoking).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(revoking).rejects.toThrow(path);
  });

  test('are of a fleet that is there: no key is made for another', async () => {
    const directory = await temporaryDirectory();
    const missing = { code: 'CONFIG_MISSING' };
    await expect(revoke(directory, [peerId], now)).rejects.toMatchObject(missing);
    await expect(makeCredential(directory, order)).rejects.toMatchObject(missing);
    await expect(stat(join(directory, 'fleet.key'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
