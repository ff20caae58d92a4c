import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { SettingsStore } from '../../../../fetcher/settings/settings-store.ts';
import { FleetClient, TrackerClient } from '../../../../src/api/index.ts';
import { openFleetLink } from '../../../../src/control/index.ts';
import { durable } from '../../../../src/image/index.ts';
import { Identity, readRevocations, signRevocations } from '../../../../src/trust/sealed.ts';
import { Forgotten } from '../../../../tracker/fleet/forgotten.ts';
import { FleetSettings } from '../../../../tracker/fleet/fleet-settings.ts';
import { waitFor } from '../../../tools/control-fleet.ts';
import { freePort } from '../../../tools/free-port.ts';
import { createPublisher, runTracker, temporaryDirectory } from '../running-tracker.ts';
import { hostGrant, newPeer, openMembers, startMs } from './open-members.ts';

const ignore = () => undefined;
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const at = { app: 'web', name: 'DB' };

/** A tracker of a fleet that can be ended, and be started again on another state of its store. */
async function openFleet() {
  const directory = await temporaryDirectory();
  await Identity.open(join(directory, 'fleet.key'));
  const { rootPath } = await createPublisher();
  const control = { host: '127.0.0.1', port: await freePort(), credentialMs: 60_000 };
  const start = async () => {
    const { tracker, token } = await runTracker({ directory, rootPath, control, udp: false });
    const client = new TrackerClient({}, { url: tracker.url, token });
    return { tracker, fleet: new FleetClient({ tracker: client }) };
  };
  const store = join(directory, 'store.db');
  const copy = join(directory, 'copy.db');
  return {
    start,
    backUp: () => {
      const database = new DatabaseSync(store);
      database.exec(`VACUUM INTO '${copy}'`);
      database.close();
    },
    /** As docs/store.md says. */
    restore: async () => {
      await copyFile(copy, store);
      for (const rest of ['-wal', '-shm']) await rm(`${store}${rest}`, { force: true });
    },
  };
}

/** A host that joins the fleet, and keeps what it is told. */
async function openHost(joinToken: string) {
  const directory = await temporaryDirectory();
  const signal = AbortSignal.timeout(60_000);
  const opened = await openFleetLink(
    { log, random: () => 0 },
    {
      ...{
        directory,
        identityPath: join(directory, 'identity.key'),
        join: joinToken,
        version: '1',
      },
      ...{ host: '127.0.0.1', controlPort: 0, zone: '', rack: '' },
    },
    { signal },
  );
  if (opened === undefined) throw new Error('the host did not join');
  onTestFinished(() => opened[Symbol.asyncDispose]());
  const settings = await SettingsStore.open(
    { durability: durable, log },
    { directory, apps: ['web'], zone: '', supplies: new Map() },
  );
  opened.link.follow({
    follows: [{ app: 'web', channel: 'stable' }],
    settingsRevisions: () => settings.keptRevisions(),
    onSettings: (app, { revision, values }) => void settings.apply(app, { revision, values }),
    onPermits: ignore,
    onPreheat: ignore,
    onNews: ignore,
    onConnected: ignore,
  });
  return {
    value: () => settings.of('web').get('DB'),
    revoked: () => [...(opened.seal.fleet?.revocations?.peerIds ?? [])],
  };
}

test('what is set and who is revoked after a restore holds, and who was revoked before it stays so', async () => {
  const { start, backUp, restore } = await openFleet();
  const { tracker, fleet } = await start();
  const host = await openHost((await fleet.createToken({ ...hostGrant, ttlMs: 60_000 })).token);
  const [lost, later] = [newPeer(), newPeer()];
  await fleet.approve(lost, hostGrant);
  await fleet.setSetting(at, 'db-1:1');
  backUp();
  await fleet.setSetting(at, 'db-2:1');
  await fleet.setSetting(at, 'db-3:1');
  await fleet.revoke(lost);
  await waitFor(() => {
    expect(host.value()).toBe('db-3:1');
    expect(host.revoked()).toEqual([lost]);
  });
  await tracker[Symbol.asyncDispose]();
  await restore();

  const { fleet: restored } = await start();
  await waitFor(() => {
    expect(host.value()).toBe('db-1:1');
  });
  await restored.setSetting(at, 'db-NEW:1');
  await waitFor(async () => {
    const { members } = await restored.members();
    expect(members.find(({ peerId }) => peerId === lost)).toMatchObject({ state: 'revoked' });
  });
  await restored.revoke(later);
  await waitFor(() => {
    expect(host.value()).toBe('db-NEW:1');
    expect(host.revoked()).toEqual([lost, later].sort());
  });
});

async function openForgotten() {
  const { members, store, audit, fleetKey, clock } = await openMembers();
  const settings = new FleetSettings({ store, audit, needTypes: () => [] });
  const now = () => clock.nowMs;
  const forgotten = new Forgotten({ store, audit, fleetKey, now, log });
  return { members, settings, store, fleetKey, forgotten };
}

test('settings become newer than what a host has, and no host moves them beyond all bounds', async () => {
  const { settings, forgotten } = await openForgotten();
  await settings.set({ ...at, zone: '' }, 'db:1', 'anna');
  expect(await forgotten.settings('web', 1, 'host')).toBe(false);
  expect(await forgotten.settings('web', 7, 'host')).toBe(true);
  expect(await settings.of('web')).toEqual({ revision: 8, values: { DB: 'db:1' } });
  expect(await forgotten.settings('web', Number.MAX_SAFE_INTEGER, 'host')).toBe(false);
  expect(await forgotten.settings('new', 3, 'host')).toBe(true);
  expect(await settings.of('new')).toEqual({ revision: 4, values: {} });
});

test('two lists of one number become one, an older one changes nothing, and a forged one is refused', async () => {
  const { members, store, fleetKey, forgotten } = await openForgotten();
  const [one, other] = [newPeer(), newPeer()];
  await members.revoke(one, 'anna');
  const sign = (key: Identity, number: number, peerIds: string[]) =>
    signRevocations(key, { number, peerIds, issuedAt: new Date(startMs).toISOString() });
  await expect(
    forgotten.revocations(sign(Identity.generate(), 9, [other]), 'host'),
  ).rejects.toMatchObject({ code: 'PEER_NOT_MEMBER' });
  await forgotten.revocations(sign(fleetKey, 1, [other]), 'host');
  const list = await members.revocations();
  expect(list).toMatchObject({ number: 2, peerIds: new Set([one, other]) });
  const { revision } = await store.list('');
  await forgotten.revocations(sign(fleetKey, 1, [other]), 'host');
  await forgotten.revocations(list?.text ?? '', 'host');
  expect((await store.list('')).revision).toBe(revision);
  expect(readRevocations(list?.text ?? '', { fleetId: fleetKey.peerId }).number).toBe(2);
});
