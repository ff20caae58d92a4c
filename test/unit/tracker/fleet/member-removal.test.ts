import { expect, test } from 'vitest';
import { HostTable } from '../../../../tracker/fleet/host-table.ts';
import { HostPins } from '../../../../tracker/fleet/host-pins.ts';
import { put } from '../../../../tracker/fleet/entries.ts';
import { listAudit } from '../../../../tracker/audit/index.ts';
import { memberKey, revocationsKey, type Member } from '../../../../tracker/fleet/records.ts';
import { removeMember } from '../../../../tracker/fleet/member-removal.ts';
import { maxRevoked, signRevocations } from '../../../../src/trust/sealed.ts';
import { hostGrant, newPeer, openMembers, startMs } from './open-members.ts';

const dayMs = 86_400_000;

/** A fleet that has revoked as many as one list takes. */
async function openFull() {
  const opened = await openMembers();
  const { store, fleetKey } = opened;
  const peerIds = Array.from({ length: maxRevoked }, newPeer);
  const since = new Date(startMs).toISOString();
  const list = signRevocations(fleetKey, { number: 7, peerIds, issuedAt: since });
  for (let from = 0; from < peerIds.length; from += 50) {
    const revoked = peerIds.slice(from, from + 50).map((peerId, index): Member => {
      // One of each fifty never joined here: by whom, and for how long, its credential was made, nobody knows.
      const grant = index === 0 ? { roles: [], apps: [], labels: {} } : hostGrant;
      return { peerId, state: 'revoked', ...grant, since, by: 'anna', remote: '' };
    });
    await store.commit({ put: revoked.map((member) => put(memberKey(member.peerId), member)) });
  }
  await store.commit({ put: [put(revocationsKey, { number: 7, text: list })] });
  return { ...opened, peerIds };
}

test('a list that is full is rid of those whose credentials must have ended, who stay revoked', async () => {
  const { members, clock, peerIds } = await openFull();
  await expect(members.revoke(newPeer(), 'anna')).rejects.toThrow(/more than 3000 peer ids/);
  clock.nowMs += 8 * dayMs;
  const last = newPeer();
  const list = await members.revoke(last, 'anna');
  expect(list.number).toBe(8);
  expect([...list.peerIds].sort()).toEqual(
    [...peerIds.filter((_, index) => index % 50 === 0), last].sort(),
  );
  const [, gone = ''] = peerIds;
  await expect(members.credentialFor(gone)).rejects.toMatchObject({ code: 'PEER_NOT_MEMBER' });
  await expect(members.join({ labels: {}, version: '1' }, gone, '')).rejects.toThrow('revoked');
  await expect(members.approve(gone, hostGrant, 'anna')).rejects.toThrow('revoked');
});

test('a member that is removed is no host of any rollout, gets no credential, and may join anew', async () => {
  const { members, store, audit, clock } = await openMembers();
  const [gone, stays] = [newPeer(), newPeer()];
  for (const peerId of [gone, stays]) {
    await members.approve(peerId, hostGrant, 'anna');
    await new HostPins({ store, audit }).change(peerId, { type: 'hold' }, 'anna');
    const follows = [{ app: 'web', channel: 'stable' }];
    const record = { tracker: 'x', isHere: false, sinceMs: clock.nowMs, follows, channels: [] };
    await store.commit({ put: [put(`hosts/${peerId}`, record)] });
  }
  const log = { debug: () => 0, info: () => 0, warn: () => 0, error: () => 0 };
  const hostClock = { now: () => clock.nowMs, uptime: () => clock.nowMs };
  await using hosts = await HostTable.open(
    { store, clock: hostClock, log: log as never },
    { trackerId: 'here', isShared: false },
  );
  const inRollouts = () => hosts.fleet('web', 'stable', 'image').map(({ id }) => id);
  expect(inRollouts().sort()).toEqual([gone, stays].sort());
  await removeMember({ store, audit }, gone, 'anna');
  await expect.poll(inRollouts).toEqual([stays]);
  for (const prefix of ['members/', 'hosts/', 'pins/']) {
    const { entries } = await store.list(prefix);
    expect(entries.map(({ key }) => key)).toEqual([`${prefix}${stays}`]);
  }
  await expect(members.credentialFor(gone)).rejects.toMatchObject({ code: 'PEER_NOT_MEMBER' });
  expect(await members.revocations()).toBeUndefined();
  expect((await listAudit(store)).at(-1)).toMatchObject({
    ...{ actor: 'anna', action: 'member.remove', subject: gone },
  });
  expect(await members.join({ labels: {}, version: '1' }, gone, '')).toEqual({ pending: true });
  await removeMember({ store, audit }, gone, 'anna');
  expect(await members.get(gone)).toBeUndefined();
});

test('who is no member, or is revoked, is not removed', async () => {
  const { members, store, audit } = await openMembers();
  const revoked = newPeer();
  await members.revoke(revoked, 'anna');
  for (const peerId of [newPeer(), revoked]) {
    await expect(removeMember({ store, audit }, peerId, 'anna')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  }
  expect(await members.get(revoked)).toMatchObject({ state: 'revoked' });
});
