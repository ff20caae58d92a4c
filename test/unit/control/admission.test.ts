import { createHook } from 'node:async_hooks';
import { expect, onTestFinished, vi } from 'vitest';
import { newLibp2p } from '../../../src/control/libp2p-node.ts';
import { Identity } from '../../../src/trust/sealed.ts';
import {
  addressOf,
  ControlFleet,
  openMember,
  openNode,
  signal,
  test,
  waitFor,
} from '../../tools/control-fleet.ts';
import { parsePeerAddress } from '../../../src/control/addresses.ts';

/** libp2p without our rules: it may try what it likes. */
async function openStranger() {
  const libp2p = await newLibp2p(Identity.generate(), {
    listen: [],
    maxConnections: 8,
    maxInboundPerSecond: 8,
    maxPending: 8,
    floodsHints: true,
    monitorMs: undefined,
    dialTimeoutMs: 5_000,
    isCrowded: () => false,
    isAdmitted: () => true,
  });
  await libp2p.start();
  onTestFinished(() => libp2p.stop());
  return libp2p;
}

/** Sockets and timers that are open, of those that were made since, and by whom. */
function watchResources(): () => string[] {
  const open = new Map<number, string>();
  const hook = createHook({
    init(id, type) {
      const by = new Error().stack ?? '';
      // AbortSignal.timeout keeps nothing alive, and its timer can't be called off.
      const isNone = /vitest|abort_controller/.test(by);
      if (/^(Timeout|TCPWRAP|TCPSERVERWRAP)$/.test(type) && !isNone) open.set(id, type + by);
    },
    destroy: (id) => open.delete(id),
  });
  hook.enable();
  onTestFinished(() => void hook.disable());
  return () => [...open.values()];
}

test('nothing is left open when a node is closed', async ({ fleet }) => {
  const left = watchResources();
  const [one, other] = [await openMember({ fleet }), await openMember({ fleet })];
  await one.connect(addressOf(other), { signal });
  expect(left().length).toBeGreaterThan(4);
  await Promise.all([one[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
  // gossipsub does not call off its last heartbeat, which comes within a second.
  await waitFor(() => expect(left()).toEqual([]));
});

test('two members know what the other has shown', async ({ fleet }) => {
  const [one, other] = [await openMember({ fleet }), await openMember({ fleet })];
  await one.connect(addressOf(other), { signal });
  expect(one.claimsOf(other.peerId)).toMatchObject({ peerId: other.peerId, roles: ['host'] });
  expect(other.claimsOf(one.peerId)).toMatchObject({ peerId: one.peerId });
  expect(other.members()).toEqual([one.peerId]);
  expect(
    (await Promise.all([1, 2].map(() => one.connect(addressOf(other), { signal })))).length,
  ).toBe(2);
});

test('who does not prove the peer id of the address is not taken for it', async ({ fleet }) => {
  const [one, other] = [await openMember({ fleet }), await openMember({ fleet })];
  const wrong = addressOf(other).replace(other.peerId, Identity.generate().peerId);
  await expect(one.connect(wrong, { signal })).rejects.toMatchObject({ code: 'PEER_CLOSED' });
  expect(other.members()).toEqual([]);
});

test.for<[string, (fleet: ControlFleet, id: string) => string]>([
  ['of another fleet', (_, id) => new ControlFleet().issue(id)],
  ['of another peer', (fleet) => fleet.issue(Identity.generate().peerId)],
  ['that has expired', (fleet, id) => fleet.issue(id, { ttlMs: -1 })],
])('a credential %s is refused, and its owner is told why', async ([, make], { fleet }) => {
  const onRefused = vi.fn();
  const member = await openMember({ fleet, onRefused });
  const identity = Identity.generate();
  const blind = new ControlFleet();
  // It takes its own credential for good, whatever it is.
  vi.spyOn(blind, 'verify').mockReturnValue(
    fleet.verify(fleet.issue(identity.peerId), identity.peerId),
  );
  const liar = await openNode({ fleet: blind, identity, credential: make(fleet, identity.peerId) });
  await expect(liar.connect(addressOf(member), { signal })).rejects.toMatchObject({
    code: 'PEER_NOT_MEMBER',
    message: expect.stringContaining('the credential is not good') as string,
  });
  expect(member.members()).toEqual([]);
  expect(onRefused).toHaveBeenCalledWith(
    identity.peerId,
    expect.stringContaining('/ip4/127.0.0.1/') as string,
    expect.objectContaining({ code: 'PEER_NOT_MEMBER' }),
  );
});

test('a member does not take one of another fleet for a tracker', async ({ fleet }) => {
  const foreign = new ControlFleet();
  vi.spyOn(foreign, 'verify').mockImplementation((text, peerId) => fleet.verify(text, peerId));
  const identity = Identity.generate();
  const fake = await openNode({ fleet: foreign, identity });
  const host = await openMember({ fleet });
  await expect(host.connect(addressOf(fake), { signal })).rejects.toMatchObject({
    code: 'PEER_NOT_MEMBER',
  });
  expect(host.members()).toEqual([]);
});

test('a stranger gets no stream but that of its credential, and is closed in time', async ({
  fleet,
}) => {
  const onRefused = vi.fn();
  const member = await openMember({ fleet, sweepMs: 20, onRefused });
  await member.handle('/starling/session/1', () => undefined, { strangers: false, maxStreams: 2 });
  const stranger = await openStranger();
  const connection = await stranger.dial(parsePeerAddress(addressOf(member)).multiaddr);
  const closed = Promise.withResolvers<void>();
  connection.addEventListener('close', () => closed.resolve());
  for (const protocol of ['/starling/session/1', '/ipfs/id/1.0.0', '/meshsub/1.2.0']) {
    const stream = await connection.newStream(protocol);
    await waitFor(() => expect(stream.status).toBe('reset'));
  }
  expect(connection.status).toBe('open');
  fleet.aheadMs += 5_001;
  await closed.promise;
  expect(onRefused).toHaveBeenCalledWith(
    stranger.peerId.toString(),
    expect.any(String),
    expect.objectContaining({ code: 'PEER_TIMEOUT' }),
  );
});

test('who is revoked is closed at once, and stays out', async ({ fleet }) => {
  const [tracker, host] = [await openMember({ fleet }), await openMember({ fleet })];
  const connection = await host.connect(addressOf(tracker), { signal });
  for (const { gossip } of [tracker, host]) {
    await waitFor(() => expect(gossip.getPeers()).toHaveLength(1));
  }
  fleet.revoked.add(host.peerId);
  tracker.revoke([host.peerId]);
  expect(tracker.claimsOf(host.peerId)).toBeUndefined();
  await waitFor(() => expect(connection.status).not.toBe('open'));
  await waitFor(() => expect(tracker.gossip.getPeers()).toEqual([]));
  await expect(host.connect(addressOf(tracker), { signal })).rejects.toMatchObject({
    code: 'PEER_NOT_MEMBER',
    message: expect.stringContaining('it is revoked') as string,
  });
});

test('a connection ends with its credential, unless a newer one is shown', async ({ fleet }) => {
  const tracker = await openMember({ fleet, role: 'tracker', sweepMs: 20 });
  const [renewed, forgotten] = [await openMember({ fleet }), await openMember({ fleet })];
  for (const host of [renewed, forgotten]) await host.connect(addressOf(tracker), { signal });
  const later = { ttlMs: 1_200_000, labels: { rack: 'r2' } };
  renewed.setCredential(fleet.issue(renewed.peerId, later));
  await waitFor(() => expect(tracker.claimsOf(renewed.peerId)?.labels).toEqual({ rack: 'r2' }));
  tracker.setCredential(fleet.issue(tracker.peerId, later));
  await waitFor(() => expect(renewed.claimsOf(tracker.peerId)?.labels).toEqual({ rack: 'r2' }));
  expect(tracker.members()).toHaveLength(2);
  fleet.aheadMs += 600_001;
  await waitFor(() => expect(tracker.members()).toEqual([renewed.peerId]));
  await waitFor(() => expect(forgotten.members()).toEqual([]));
});

test('a credential that is not good does not replace the one that is', async ({ fleet }) => {
  const host = await openMember({ fleet });
  const { claims } = host;
  expect(() => host.setCredential(fleet.issue(Identity.generate().peerId))).toThrow(
    expect.objectContaining({ code: 'PEER_NOT_MEMBER' }),
  );
  expect(host.claims).toBe(claims);
});
