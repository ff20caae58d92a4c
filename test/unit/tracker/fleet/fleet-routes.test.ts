import { expect, test } from 'vitest';
import { FleetClient, TrackerClient } from '../../../../src/api/index.ts';
import { parseJoinToken } from '../../../../src/control/index.ts';
import { createPublisher, runTracker, temporaryDirectory } from '../running-tracker.ts';
import { runFleetTracker } from './fleet-tracker.ts';
import { hostGrant, newPeer } from './open-members.ts';

test('tokens, members and settings by REST', async () => {
  const { tracker, fleet, fleetId } = await runFleetTracker();
  const created = await fleet.createToken({ ...hostGrant, ttlMs: 60_000 });
  expect(parseJoinToken(created.token)).toMatchObject({
    fleet: fleetId,
    trackers: tracker.fleet?.addresses.slice(0, 1),
  });
  const { invitation } = await fleet.invitation();
  const { secret, ...place } = parseJoinToken(created.token);
  expect(secret).toBeDefined();
  expect(parseJoinToken(invitation)).toEqual(place);
  expect(await fleet.tokens()).toMatchObject([{ id: created.id, by: 'admin' }]);
  await fleet.removeToken(created.id);
  expect(await fleet.tokens()).toEqual([]);

  const peerId = newPeer();
  expect(await fleet.approve(peerId, hostGrant)).toMatchObject({ state: 'member', by: 'admin' });
  expect(await fleet.revoke(peerId)).toBe(1);
  expect((await fleet.members()).members).toMatchObject([{ peerId, state: 'revoked' }]);

  expect(await fleet.setSetting({ app: 'web', name: 'DB', zone: 'eu' }, 'a:1')).toBe(1);
  expect(await fleet.settings('web')).toEqual({ revision: 1, values: { 'DB@eu': 'a:1' } });
  expect(await fleet.removeSetting({ app: 'web', name: 'DB', zone: 'eu' })).toBe(2);
});

test('what can not be is refused, with nothing written', async () => {
  const { fleet, client } = await runFleetTracker();
  const refused = { code: 'TRACKER_REFUSED' };
  await expect(fleet.approve('nobody', hostGrant)).rejects.toMatchObject(refused);
  const apps = ['*web*'];
  await expect(fleet.approve(newPeer(), { ...hostGrant, apps })).rejects.toMatchObject(refused);
  await expect(fleet.setSetting({ app: 'web', name: 'no-name' }, 'x')).rejects.toMatchObject(
    refused,
  );
  expect((await fleet.members()).members).toEqual([]);
  const stranger = new FleetClient({
    tracker: new TrackerClient({}, { url: client.url, token: 'wrong' }),
  });
  await expect(stranger.members()).rejects.toMatchObject(refused);
});

test('a tracker without a fleet key has no fleet', async () => {
  const { rootPath } = await createPublisher();
  const directory = await temporaryDirectory();
  const { tracker, token } = await runTracker({ directory, rootPath });
  expect(tracker.fleet).toBeUndefined();
  const client = new TrackerClient({}, { url: tracker.url, token });
  await expect(new FleetClient({ tracker: client }).members()).rejects.toMatchObject({
    evidence: { status: 404 },
  });
});
