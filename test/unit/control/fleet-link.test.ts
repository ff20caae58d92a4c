import { expect, onTestFinished, test, vi } from 'vitest';
import { hintsTopic } from '../../../src/control/hint.ts';
import {
  ControlNode,
  FleetLink,
  Hints,
  SessionServer,
  systemClock,
  type ControlNodeInit,
  type FleetListener,
  type Hint,
} from '../../../src/control/index.ts';
import { MembershipFile } from '../../../src/control/membership-file.ts';
import { Identity, verifyCredential } from '../../../src/trust/index.ts';
import { FleetKey } from '../../tools/fleet-key.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';
import { addressOf, waitFor } from '../../tools/control-fleet.ts';

const clock = systemClock;
const follows = [{ app: 'web', channel: 'stable' }];
const imageId = `b${'a'.repeat(58)}`;
const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };

async function openNode(fleet: FleetKey, init: Partial<ControlNodeInit> & { identity?: Identity }) {
  const { identity = Identity.generate(), role = 'host', ...others } = init;
  const { fleetId } = fleet;
  const verify = (text: string, peerId: string) =>
    verifyCredential(text, { fleetId, peerId, now: new Date(), revocations: undefined });
  const credential = fleet.issue(identity.peerId, {
    roles: [role === 'tracker' ? 'operator' : role],
  });
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  const node = await ControlNode.open(
    { identity, clock, verifier: { verify } },
    { role, listen, credential, ...others },
  );
  onTestFinished(() => node[Symbol.asyncDispose]());
  return node;
}

/** A tracker's end of sessions, with nothing behind it. */
async function openTracker(fleet: FleetKey, init: { identity?: Identity; listen?: string[] } = {}) {
  const node = await openNode(fleet, { ...init, role: 'tracker' });
  const server = await SessionServer.open(
    { node, clock },
    { onSession: () => undefined, onMessage: () => undefined, onEnd: () => undefined },
  );
  const close = async () => {
    await server[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  };
  onTestFinished(close);
  return { address: addressOf(node), server, close };
}

/** A host that has joined already, with all that its program is told. */
async function openHost(
  fleet: FleetKey,
  trackers: readonly string[],
  // Who has lost its tracker does not come again before it is told to look.
  backoff = { firstMs: 3_600_000, mostMs: 3_600_000 },
) {
  const identity = Identity.generate();
  const membership = fleet.membership(identity);
  const file = new MembershipFile({ directory: await temporaryDirectory() });
  const record = { fleetId: fleet.fleetId, trackers: [...trackers] };
  const link = await FleetLink.open(
    { identity, membership, file, clock, random: () => 0, log },
    { record, listen: ['/ip4/127.0.0.1/tcp/0'], labels: {}, version: '1', backoff },
  );
  onTestFinished(() => link[Symbol.asyncDispose]());
  const told: unknown[][] = [];
  const note =
    (what: string) =>
    (...said: readonly unknown[]) =>
      void told.push([what, ...said]);
  const listener: FleetListener = {
    follows,
    settingsRevisions: () => ({ web: 3 }),
    onSettings: note('settings'),
    onPermits: note('permits'),
    onPreheat: note('preheat'),
    onNews: note('news'),
    onConnected: note('connected'),
  };
  link.follow(listener);
  await waitFor(() => expect(told).toEqual([['connected', true]]));
  return { link, file, membership, peerId: identity.peerId, told };
}

test('a program is told what its tracker says', async () => {
  const fleet = new FleetKey();
  const tracker = await openTracker(fleet);
  const host = await openHost(fleet, [tracker.address]);
  const images = [{ app: 'web', imageId }];
  tracker.server.broadcast({ type: 'preheat', images });
  tracker.server.broadcast({ type: 'news', channels: follows });
  tracker.server.broadcast({ type: 'permits', permits: [] });
  await waitFor(() => expect(host.told).toHaveLength(4));
  expect(host.told.slice(1)).toEqual([['preheat', images], ['news'], ['permits', []]]);
});

test('a tracker that is added later is known by who joined before, and kept', async () => {
  const fleet = new FleetKey();
  const [first, added] = [await openTracker(fleet), await openTracker(fleet)];
  const host = await openHost(fleet, [first.address], { firstMs: 10, mostMs: 100 });
  first.server.broadcast({ type: 'trackers', addresses: [first.address, added.address] });
  await waitFor(async () =>
    expect(await host.file.read()).toMatchObject({
      trackers: [first.address],
      told: [first.address, added.address],
    }),
  );
  await first.close();
  await waitFor(() => expect([...added.server.sessions.keys()]).toEqual([host.peerId]));
});

test.each<[Hint]>([[{ settings: 'web', revision: 4 }], [{ revocations: 1 }]])(
  'a host without a session tries a tracker when another host hints at what it lacks: %o',
  async (lacking) => {
    const fleet = new FleetKey();
    const identity = Identity.generate();
    const tracker = await openTracker(fleet, { identity });
    const host = await openHost(fleet, [tracker.address]);
    const peer = await openNode(fleet, {});
    const hints = new Hints({ node: peer, clock }, { onHint: () => undefined });
    onTestFinished(() => hints[Symbol.dispose]());
    tracker.server.broadcast({ type: 'peers', addresses: [addressOf(peer)] });
    await waitFor(() => expect(peer.gossip.getSubscribers(hintsTopic)).toHaveLength(1));
    await tracker.close();
    await waitFor(() => expect(host.told.at(-1)).toEqual(['connected', false]));
    const again = await openTracker(fleet, {
      identity,
      listen: [tracker.address.replace(/\/p2p\/.*/, '')],
    });
    // What it has, and what is of an app that it does not follow, is no reason.
    for (const known of [
      { settings: 'web', revision: 3 },
      { settings: 'other', revision: 9 },
    ]) {
      await hints.publish(known);
    }
    await hints.publish({ app: 'web', channel: 'stable' });
    await waitFor(() => expect(host.told.at(-1)).toEqual(['news']));
    expect(again.server.sessions.size).toBe(0);
    await hints.publish(lacking);
    await waitFor(() => expect(host.told.at(-1)).toEqual(['connected', true]));
    expect([...again.server.sessions.keys()]).toEqual([host.peerId]);
  },
);
