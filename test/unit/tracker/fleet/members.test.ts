import { expect, test } from 'vitest';
import { verifyCredential } from '../../../../src/trust/sealed.ts';
import { listAudit, verifyAudit } from '../../../../tracker/audit/index.ts';
import { hostGrant, newPeer, openMembers, startMs } from './open-members.ts';

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

test('no more than so many wait to be approved', async () => {
  const { members } = await openMembers({ maxPending: 1 });
  await members.join(wish(), newPeer(), '');
  await expect(members.join(wish(), newPeer(), '')).rejects.toThrow('too many wait');
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

test('members come in pages', async () => {
  const { members } = await openMembers();
  const peers = Array.from({ length: 5 }, newPeer).sort();
  for (const peerId of peers) await members.approve(peerId, hostGrant, 'anna');
  const first = await members.list({ limit: 3 });
  expect(first.members.map(({ peerId }) => peerId)).toEqual(peers.slice(0, 3));
  const second = await members.list({ limit: 3, after: first.next });
  expect(second.members.map(({ peerId }) => peerId)).toEqual(peers.slice(3));
  expect(second.next).toBeUndefined();
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
