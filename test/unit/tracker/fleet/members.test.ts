import { expect, test } from 'vitest';
import { verifyCredential } from '../../../../src/trust/sealed.ts';
import { listAudit, verifyAudit } from '../../../../tracker/audit/index.ts';
import { put } from '../../../../tracker/fleet/entries.ts';
import { HostPins } from '../../../../tracker/fleet/host-pins.ts';
import { hostKey } from '../../../../tracker/fleet/host-records.ts';
import { memberKey } from '../../../../tracker/fleet/records.ts';
import { hostGrant, newPeer, openMembers, pendingMs, startMs } from './open-members.ts';

const wish = (secret?: string, labels: Record<string, string> = {}) => ({
  labels,
  version: '1',
  ...(secret === undefined ? {} : { secret }),
});
const hourMs = 3_600_000;

test('who comes with a token belongs at once, by what the token grants', async () => {
  const { members, fleetKey, clock } = await openMembers();
  const { secret } = await members.createToken(hostGrant, hourMs, 'anna');
  const peerId = newPeer();
  const said = { zone: 'eu', rack: 'liar', role: 'operator' };
  const answer = await members.join(wish(secret, said), peerId, '198.18.0.1');
  if (!('credential' in answer)) throw new Error('no credential');
  const now = new Date(clock.nowMs);
  const claims = verifyCredential(answer.credential, {
    ...{ fleetId: fleetKey.peerId, peerId, now, revocations: undefined },
  });
  // What the token says of a label holds; where it says nothing the host's place is taken, and no more.
  expect(claims).toMatchObject({
    roles: ['host'],
    apps: ['web'],
    labels: { zone: 'eu', rack: 'r1' },
  });
  expect(claims.labels).not.toHaveProperty('role');
  expect(Date.parse(claims.expiresAt)).toBe(startMs + hourMs);
});

test('a token is good for one host, which may ask again when the answer got lost', async () => {
  const { members } = await openMembers();
  const { secret, id } = await members.createToken(hostGrant, hourMs, 'anna');
  const [one, other] = [newPeer(), newPeer()];
  await members.join(wish(secret), one, '');
  expect(await members.join(wish(secret), one, '')).toHaveProperty('credential');
  await expect(members.join(wish(secret), other, '')).rejects.toMatchObject({
    code: 'PEER_NOT_MEMBER',
  });
  expect(await members.tokens()).toMatchObject([{ id, usedBy: one }]);
  expect(await members.get(other)).toBeUndefined();
});

test('of two hosts that come with one token at the same moment one gets in', async () => {
  const { members } = await openMembers();
  const { secret } = await members.createToken(hostGrant, hourMs, 'anna');
  const tries = [newPeer(), newPeer(), newPeer()].map((id) => members.join(wish(secret), id, ''));
  const settled = await Promise.allSettled(tries);
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test.each([
  ['unknown', () => Promise.resolve('x'.repeat(32))],
  [
    'removed',
    async ({ members }: Awaited<ReturnType<typeof openMembers>>) => {
      const { secret, id } = await members.createToken(hostGrant, hourMs, 'anna');
      await members.removeToken(id, 'anna');
      return secret;
    },
  ],
  [
    'expired',
    async ({ members, clock }: Awaited<ReturnType<typeof openMembers>>) => {
      const { secret } = await members.createToken(hostGrant, hourMs, 'anna');
      clock.nowMs += hourMs;
      return secret;
    },
  ],
])('a token that is %s lets nobody in', async (_, secretOf) => {
  const opened = await openMembers();
  const secret = await secretOf(opened);
  const peerId = newPeer();
  await expect(opened.members.join(wish(secret), peerId, '')).rejects.toMatchObject({
    code: 'PEER_NOT_MEMBER',
  });
  expect(await opened.members.get(peerId)).toBeUndefined();
});

test('who comes without a token waits until an operator approves it', async () => {
  const { members } = await openMembers();
  const peerId = newPeer();
  expect(await members.join(wish(undefined, { rack: 'r7' }), peerId, '')).toEqual({
    pending: true,
  });
  await expect(members.credentialFor(peerId)).rejects.toMatchObject({ code: 'PEER_NOT_MEMBER' });
  await members.approve(peerId, { ...hostGrant, labels: {} }, 'anna');
  expect(await members.join(wish(), peerId, '')).toHaveProperty('credential');
  expect(await members.get(peerId)).toMatchObject({ state: 'member', labels: { rack: 'r7' } });
});

test('no more than so many wait to be approved, and each for so long', async () => {
  const { members, store, clock } = await openMembers({ mostPending: 2 });
  const [one, other, late] = [newPeer(), newPeer(), newPeer()];
  await members.join(wish(), one, '');
  clock.nowMs += 1_000;
  await members.join(wish(), other, '');
  await expect(members.join(wish(), late, '')).rejects.toThrow('too many wait');
  // Who waits already may ask again, and members are none of them.
  expect(await members.join(wish(), one, '')).toEqual({ pending: true });
  await members.approve(newPeer(), hostGrant, 'anna');
  await expect(members.join(wish(), late, '')).rejects.toThrow('too many wait');
  clock.nowMs += pendingMs - 1_000;
  expect(await members.get(one)).toBeUndefined();
  expect(await members.join(wish(), late, '')).toEqual({ pending: true });
  const { entries } = await store.list('pending/');
  expect(entries.map(({ key }) => key)).toEqual([other, late].map((id) => `pending/${id}`).sort());
  // Whose time is over, and who still asks, begins anew.
  clock.nowMs += 1_000;
  expect(await members.join(wish(), other, '')).toEqual({ pending: true });
  expect(await members.get(other)).toMatchObject({ since: new Date(clock.nowMs).toISOString() });
});

test('who is decided on waits no more', async () => {
  const { members, store } = await openMembers();
  const [approved, came, revoked] = [newPeer(), newPeer(), newPeer()];
  for (const peerId of [approved, came, revoked]) await members.join(wish(), peerId, '');
  await members.approve(approved, hostGrant, 'anna');
  const { secret } = await members.createToken(hostGrant, hourMs, 'anna');
  expect(await members.join(wish(secret), came, '')).toHaveProperty('credential');
  await members.revoke(revoked, 'anna');
  expect((await store.list('pending/')).entries).toEqual([]);
  const { members: all } = await members.list({ limit: 10 });
  expect(new Map(all.map(({ peerId, state }) => [peerId, state]))).toEqual(
    new Map([
      [approved, 'member'],
      [came, 'member'],
      [revoked, 'revoked'],
    ]),
  );
});

test('who waits in a store of an older tracker, among the members, is still read and approved', async () => {
  const { members, store } = await openMembers();
  const peerId = newPeer();
  const asked = { roles: [], apps: [], labels: { rack: 'r7' }, by: peerId, remote: '' };
  const since = new Date(startMs).toISOString();
  await store.commit({
    put: [put(memberKey(peerId), { peerId, state: 'pending', since, ...asked })],
  });
  expect(await members.join(wish(), peerId, '')).toEqual({ pending: true });
  expect((await store.list('pending/')).entries).toEqual([]);
  expect((await members.list({ limit: 10 })).members).toMatchObject([{ state: 'pending' }]);
  await members.approve(peerId, { ...hostGrant, labels: {} }, 'anna');
  expect(await members.get(peerId)).toMatchObject({ state: 'member', labels: { rack: 'r7' } });
});

test('of who is revoked neither pins nor reports are kept, and none are taken', async () => {
  const { members, store, audit } = await openMembers();
  const pins = new HostPins({ store, audit });
  const [gone, stays] = [newPeer(), newPeer()];
  for (const peerId of [gone, stays]) {
    await members.approve(peerId, hostGrant, 'anna');
    await pins.change(peerId, { type: 'hold' }, 'anna');
    await store.commit({ put: [put(hostKey(peerId), {})] });
  }
  const { revision } = await store.list('');
  await members.revoke(gone, 'anna');
  // At one moment.
  expect((await store.list('')).revision).toBe(revision + 1);
  for (const prefix of ['hosts/', 'pins/']) {
    const { entries } = await store.list(prefix);
    expect(entries.map(({ key }) => key)).toEqual([`${prefix}${stays}`]);
  }
  await expect(pins.change(gone, { type: 'hold' }, 'anna')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
});

test('who is revoked is on the signed list, and stays out', async () => {
  const { members } = await openMembers();
  const { secret } = await members.createToken(hostGrant, hourMs, 'anna');
  const [one, stranger] = [newPeer(), newPeer()];
  await members.join(wish(secret), one, '');
  expect(await members.revoke(one, 'anna')).toMatchObject({ number: 1 });
  expect((await members.revoke(stranger, 'anna')).peerIds).toEqual(new Set([one, stranger]));
  // A second time changes nothing.
  expect(await members.revoke(one, 'anna')).toMatchObject({ number: 2 });
  await expect(members.join(wish(), one, '')).rejects.toThrow('revoked');
  await expect(members.credentialFor(one)).rejects.toMatchObject({ code: 'PEER_NOT_MEMBER' });
  await expect(members.approve(one, hostGrant, 'anna')).rejects.toThrow('new identity');
});

test('a grant that no credential could say is refused before a host comes', async () => {
  const { members, store } = await openMembers();
  const labels = { 'Not a label': 'x' };
  await expect(members.createToken({ ...hostGrant, labels }, hourMs, 'anna')).rejects.toMatchObject(
    {
      code: 'CONFIG_INVALID',
    },
  );
  expect((await store.list('tokens/')).entries).toEqual([]);
});

test('members come in pages, and with them who waits, but not whose time is over', async () => {
  const { members, clock } = await openMembers();
  for (const peerId of Array.from({ length: 4 }, newPeer)) await members.join(wish(), peerId, '');
  clock.nowMs += pendingMs - 1;
  const peers = Array.from({ length: 6 }, newPeer).sort();
  for (const [index, peerId] of peers.entries()) {
    if (index % 2 === 0) await members.approve(peerId, hostGrant, 'anna');
    else await members.join(wish(), peerId, '');
  }
  clock.nowMs += 1;
  const told: string[] = [];
  let after: string | undefined;
  do {
    const page = await members.list({ limit: 2, after });
    expect(page.members.length).toBeLessThanOrEqual(2);
    told.push(...page.members.map(({ peerId }) => peerId));
    after = page.next;
  } while (after !== undefined);
  expect(told).toEqual(peers);
});

test('each change has its entry, and no secret is in the log or the store', async () => {
  const { members, store } = await openMembers();
  const { secret } = await members.createToken(hostGrant, hourMs, 'anna');
  const peerId = newPeer();
  await members.join(wish(secret), peerId, '198.18.0.1');
  await members.revoke(peerId, 'bert');
  const entries = await listAudit(store);
  expect(entries.map(({ actor, action }) => [actor, action])).toEqual([
    ['anna', 'token.create'],
    [peerId, 'member.join'],
    ['bert', 'member.revoke'],
  ]);
  await verifyAudit(store);
  const kept = await store.list('');
  expect(JSON.stringify([entries, kept.entries])).not.toContain(secret);
});
