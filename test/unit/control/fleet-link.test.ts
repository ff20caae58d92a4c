import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  ControlNode,
  openFleetLink,
  SessionServer,
  systemClock,
  type FleetListener,
  type HostSession,
} from '../../../src/control/index.ts';
import { MembershipFile } from '../../../src/control/membership-file.ts';
import { Identity, verifyCredential } from '../../../src/trust/index.ts';
import { FleetKey } from '../../tools/fleet-key.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';
import { addressOf, waitFor } from '../../tools/control-fleet.ts';

const { signal } = new AbortController();
const clock = systemClock;
const follows = [{ app: 'web', channel: 'stable' }];
const imageId = `b${'a'.repeat(58)}`;
const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };

/** A tracker's end of sessions, with nothing behind it. */
async function openTracker(fleet: FleetKey) {
  const identity = Identity.generate();
  const { fleetId } = fleet;
  const verify = (text: string, peerId: string) =>
    verifyCredential(text, { fleetId, peerId, now: new Date(), revocations: undefined });
  const node = await ControlNode.open(
    { identity, clock, verifier: { verify } },
    {
      role: 'tracker',
      listen: ['/ip4/127.0.0.1/tcp/0'],
      credential: fleet.issue(identity.peerId, { roles: ['operator'] }),
    },
  );
  onTestFinished(() => node[Symbol.asyncDispose]());
  const sessions: HostSession[] = [];
  const server = await SessionServer.open(
    { node, clock },
    {
      onSession: (session) => sessions.push(session),
      onMessage: () => undefined,
      onEnd: () => undefined,
    },
  );
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { address: addressOf(node), server, sessions };
}

/** A host that has joined already, with all that its program is told. */
async function openHost(fleet: FleetKey, trackers: readonly string[]) {
  const directory = await temporaryDirectory();
  const identityPath = join(directory, 'identity.key');
  const { peerId } = await Identity.open(identityPath);
  const file = new MembershipFile({ directory });
  const { fleetId } = fleet;
  await file.write({ fleetId, trackers: [...trackers], credential: fleet.issue(peerId) });
  const own = { directory, identityPath, host: '127.0.0.1', controlPort: 0 };
  const opened = await openFleetLink(
    { log, random: () => 0 },
    { ...own, zone: '', rack: '', version: '1' },
    { signal },
  );
  if (opened === undefined) throw new Error('it has joined');
  onTestFinished(() => opened[Symbol.asyncDispose]());
  const told: unknown[][] = [];
  const note =
    (what: string) =>
    (...said: readonly unknown[]) =>
      void told.push([what, ...said]);
  const listener: FleetListener = {
    follows,
    settingsRevisions: () => ({}),
    onSettings: note('settings'),
    onPermits: note('permits'),
    onPreheat: note('preheat'),
    onNews: note('news'),
    onConnected: note('connected'),
  };
  opened.link.follow(listener);
  return { ...opened, peerId, file, told };
}

test('a program is told what its tracker says', async () => {
  const fleet = new FleetKey();
  const tracker = await openTracker(fleet);
  const host = await openHost(fleet, [tracker.address]);
  await waitFor(() => expect(host.told).toEqual([['connected', true]]));
  const images = [{ app: 'web', imageId }];
  tracker.server.broadcast({ type: 'preheat', images });
  tracker.server.broadcast({ type: 'news', channels: follows });
  tracker.server.broadcast({ type: 'permits', permits: [] });
  await waitFor(() => expect(host.told).toHaveLength(4));
  expect(host.told.slice(1)).toEqual([['preheat', images], ['news'], ['permits', []]]);
});
