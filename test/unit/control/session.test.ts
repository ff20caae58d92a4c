import { expect, onTestFinished } from 'vitest';
import { FramePipe } from '../../../src/control/frame-pipe.ts';
import {
  PeerIntroductions,
  SessionServer,
  systemClock,
  TrackerSession,
  type ControlNode,
  type HostMessage,
  type HostSession,
  type SessionChange,
  type SessionServerInit,
  type TrackerMessage,
  type TrackerSessionInit,
} from '../../../src/control/index.ts';
import { maxMessageBytes, sessionProtocol } from '../../../src/control/messages.ts';
import type { PeerError } from '../../../src/errors.ts';
import { Identity } from '../../../src/trust/sealed.ts';
import {
  addressOf,
  type ControlFleet,
  openMember,
  openNode,
  signal,
  test,
  waitFor,
} from '../../tools/control-fleet.ts';
import { seededRandom } from '../../tools/seeded-random.ts';

const clock = systemClock;

const about = { version: '0', follows: [], settings: {}, addresses: [] };
const report = (channel: string, generation: number) => ({
  app: 'web',
  channel,
  generation,
  number: generation,
  epoch: 0,
  acted: 0,
  state: 'healthy' as const,
});

/** A tracker that remembers what it was told. */
async function openTracker(
  fleet: ControlFleet,
  init: Partial<SessionServerInit> & { listen?: string; identity?: Identity } = {},
) {
  const { listen = '/ip4/127.0.0.1/tcp/0', identity, ...others } = init;
  const node = await openMember({
    fleet,
    role: 'tracker',
    listen: [listen],
    ...(identity && { identity }),
  });
  const messages: HostMessage[] = [];
  const ends: (PeerError | undefined)[] = [];
  const server = await SessionServer.open(
    { node, clock },
    {
      onSession: () => undefined,
      onMessage: (_, message) => void messages.push(message),
      onEnd: (_, error) => ends.push(error),
      ...others,
    },
  );
  const close = async () => {
    await server[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  };
  onTestFinished(close);
  return { node, server, messages, ends, close, address: addressOf(node) };
}

function openSession(node: ControlNode, init: Partial<TrackerSessionInit>) {
  const messages: TrackerMessage[] = [];
  const changes: SessionChange[] = [];
  const session = new TrackerSession(
    { node, clock, random: seededRandom(7) },
    {
      trackers: [],
      describe: () => about,
      onMessage: (message) => messages.push(message),
      onChange: (change) => changes.push(change),
      backoff: { firstMs: 20, mostMs: 200 },
      ...init,
    },
  );
  onTestFinished(() => session[Symbol.asyncDispose]());
  return { session, messages, changes };
}

const sessionOf = (server: SessionServer, node: ControlNode): Promise<HostSession> =>
  waitFor(() => {
    const found = server.sessions.get(node.peerId);
    if (found === undefined) throw new Error('no session yet');
    return found;
  });

test('a host says hello and is welcomed, and both say what they have to', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const node = await openMember({ fleet });
  const follows = [{ app: 'web', channel: 'stable' }];
  const host = openSession(node, {
    trackers: [tracker.address],
    describe: () => ({ ...about, follows, settings: { web: 3 } }),
  });
  const session = await sessionOf(tracker.server, node);
  expect(session.hello).toMatchObject({ follows, settings: { web: 3 } });
  expect(session.claims.peerId).toBe(node.peerId);
  session.send({ type: 'news', channels: follows });
  tracker.server.broadcast({ type: 'settings', app: 'web', revision: 4, values: { DB: 'db:1' } });
  await waitFor(() => expect(host.messages).toHaveLength(3));
  expect(host.messages.map(({ type }) => type)).toEqual(['welcome', 'news', 'settings']);
  host.session.report(report('stable', 1));
  await waitFor(() => expect(tracker.messages).toHaveLength(1));
  expect(tracker.messages[0]).toMatchObject({ type: 'report', channels: [report('stable', 1)] });
  expect(host.session.tracker).toBe(tracker.address);
  const aheadMs = (host.session.fleetTimeMs ?? 0) - Date.now();
  expect(aheadMs).toBeGreaterThanOrEqual(-1);
});

test('of many reports of one channel the newest is sent, and again to the next tracker', async ({
  fleet,
}) => {
  const [first, second] = [await openTracker(fleet), await openTracker(fleet)];
  const node = await openMember({ fleet });
  const host = openSession(node, { trackers: [first.address, second.address] });
  for (let generation = 1; generation <= 50; generation++) {
    host.session.report(report('stable', generation));
    host.session.report(report('beta', generation));
  }
  const trackers = [first, second];
  const used = await waitFor(() => {
    const found = trackers.find(({ messages }) => messages.length > 0);
    if (found === undefined) throw new Error('no report yet');
    return found;
  });
  const latest = { type: 'report', channels: [report('stable', 50), report('beta', 50)] };
  expect(used.messages).toEqual([latest]);
  await used.close();
  const other = used === first ? second : first;
  await waitFor(() => expect(other.messages).toEqual([latest]));
  expect(host.session.tracker).toBe(other.address);
});

test('a session comes back when its tracker does', async ({ fleet }) => {
  const identity = Identity.generate();
  const tracker = await openTracker(fleet, { identity });
  const node = await openMember({ fleet });
  const host = openSession(node, { trackers: [tracker.address] });
  await sessionOf(tracker.server, node);
  await tracker.close();
  await waitFor(() => expect(host.changes.at(-1)?.connected).toBe(false));
  const listen = tracker.address.replace(/\/p2p\/.*/, '');
  const again = await openTracker(fleet, { identity, listen });
  await sessionOf(again.server, node);
});

test('a tracker is tried at once, and not after the pause, when there is something to look at', async ({
  fleet,
}) => {
  const identity = Identity.generate();
  const tracker = await openTracker(fleet, { identity });
  const node = await openMember({ fleet });
  const never = { firstMs: 3_600_000, mostMs: 3_600_000 };
  const host = openSession(node, { trackers: [tracker.address], backoff: never });
  await sessionOf(tracker.server, node);
  await tracker.close();
  await waitFor(() => expect(host.changes.at(-1)?.connected).toBe(false));
  const listen = tracker.address.replace(/\/p2p\/.*/, '');
  const again = await openTracker(fleet, { identity, listen });
  host.session.lookNow();
  await sessionOf(again.server, node);
});

test('a newer session of a host ends the older one', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const identity = Identity.generate();
  const [one, other] = [
    await openMember({ fleet, identity }),
    await openMember({ fleet, identity }),
  ];
  const old = await openPipe(one, tracker.address);
  old.send({ type: 'hello', protocol: 1, ...about });
  const first = await sessionOf(tracker.server, one);
  const young = await openPipe(other, tracker.address);
  young.send({ type: 'hello', protocol: 1, ...about });
  await waitFor(() => expect(first.signal.aborted).toBe(true));
  await waitFor(() => expect(tracker.ends).toMatchObject([{ code: 'PEER_CLOSED' }]));
  expect(tracker.server.sessions.get(identity.peerId)?.signal.aborted).toBe(false);
});

/** The protocol by hand, of a host that may do as it likes. */
async function openPipe(node: ControlNode, address: string): Promise<FramePipe> {
  const connection = await node.connect(address, { signal });
  const stream = await node.openStream(connection, sessionProtocol, { signal });
  return new FramePipe(stream, { maxFrameBytes: 1 << 20 });
}

test.for<[string, (pipe: FramePipe) => void]>([
  ['garbage', (pipe) => pipe.send(Buffer.from([0, 0, 0, 2, 0x7b, 0x7b]))],
  [
    'a message that is too long',
    (pipe) => {
      const header = Buffer.alloc(4);
      header.writeUInt32BE(maxMessageBytes + 1);
      pipe.send(header);
    },
  ],
  ['a malformed message', (pipe) => pipe.send({ type: 'report', channels: [] })],
  ['another hello', (pipe) => pipe.send({ type: 'hello', protocol: 1, ...about })],
])('%s ends the session of who sent it, and no other', async ([, misbehave], { fleet }) => {
  const tracker = await openTracker(fleet);
  const [liar, honest] = [await openMember({ fleet }), await openMember({ fleet })];
  openSession(honest, { trackers: [tracker.address] });
  const pipe = await openPipe(liar, tracker.address);
  pipe.send({ type: 'hello', protocol: 1, ...about });
  await Promise.all([liar, honest].map((node) => sessionOf(tracker.server, node)));
  misbehave(pipe);
  await waitFor(() => expect(tracker.ends).toHaveLength(1));
  expect(tracker.ends[0]).toMatchObject({ code: 'PEER_PROTOCOL' });
  expect([...tracker.server.sessions.keys()]).toEqual([honest.peerId]);
});

test('messages of a later version are ignored, on both sides', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const node = await openMember({ fleet });
  const pipe = await openPipe(node, tracker.address);
  pipe.send({ type: 'hello', protocol: 9, ...about, mood: 'good' });
  pipe.send({ type: 'song', verse: 1 });
  pipe.send({ type: 'renew' });
  await waitFor(() => expect(tracker.messages).toEqual([{ type: 'renew' }]));
  expect(tracker.server.sessions.size).toBe(1);
});

test('a session that does not begin with a hello is none', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const pipe = await openPipe(await openMember({ fleet }), tracker.address);
  pipe.send({ type: 'renew' });
  await expect(pipe.read({ signal })).rejects.toMatchObject({ code: 'PEER_CLOSED' });
  expect(tracker.server.sessions.size).toBe(0);
});

test('who is no member gets no session, and hears why', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const host = openSession(await openNode({ fleet }), { trackers: [tracker.address] });
  await waitFor(() =>
    expect(host.changes).toContainEqual({
      tracker: tracker.address,
      connected: false,
      error: expect.objectContaining({ code: 'PEER_NOT_MEMBER' }) as Error,
    }),
  );
  expect(tracker.server.sessions.size).toBe(0);
});

test('a host that is revoked loses its session at once', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const node = await openMember({ fleet });
  const host = openSession(node, { trackers: [tracker.address] });
  await sessionOf(tracker.server, node);
  fleet.revoked.add(node.peerId);
  tracker.node.revoke([node.peerId]);
  await waitFor(() => expect(tracker.server.sessions.size).toBe(0));
  await waitFor(() =>
    expect(host.changes.at(-1)).toMatchObject({
      connected: false,
      error: { message: expect.stringContaining('it is revoked') as string },
    }),
  );
});

test('a host that does not read loses its session at a bound, and others get all', async ({
  fleet,
}) => {
  const tracker = await openTracker(fleet, { maxBacklogBytes: 300_000 });
  const [deaf, honest] = [await openMember({ fleet }), await openMember({ fleet })];
  const host = openSession(honest, { trackers: [tracker.address] });
  const connection = await deaf.connect(tracker.address, { signal });
  const stream = await deaf.openStream(connection, sessionProtocol, { signal });
  new FramePipe(stream, { maxFrameBytes: 1 << 20 }).send({ type: 'hello', protocol: 1, ...about });
  const session = await sessionOf(tracker.server, deaf);
  await sessionOf(tracker.server, honest);
  stream.pause();
  const values = { text: 'x'.repeat(50_000) };
  let sent = 0;
  while (!session.signal.aborted && sent < 200) {
    tracker.server.broadcast({ type: 'settings', app: 'web', revision: ++sent, values });
    await waitFor(() => expect(host.messages).toHaveLength(1 + sent));
  }
  await waitFor(() => expect(tracker.ends).toHaveLength(1));
  expect(tracker.ends[0]).toMatchObject({ code: 'PEER_TIMEOUT' });
  expect(sent).toBeLessThan(200);
  expect([...tracker.server.sessions.keys()]).toEqual([honest.peerId]);
});

test('a tracker that is silent is left for another', async ({ fleet }) => {
  const silent = await openMember({ fleet, role: 'tracker' });
  const welcome = { type: 'welcome', fleetTime: new Date().toISOString() };
  const accept = (stream: ConstructorParameters<typeof FramePipe>[0]) =>
    new FramePipe(stream, { maxFrameBytes: maxMessageBytes }).send(welcome);
  await silent.handle(sessionProtocol, accept, { strangers: false, maxStreams: 2 });
  const tracker = await openTracker(fleet);
  const node = await openMember({ fleet });
  const trackers = [addressOf(silent), tracker.address];
  const host = openSession(node, { trackers, heartbeatMs: 20, deadAfterMs: 200 });
  await waitFor(() => expect(host.session.tracker).toBe(tracker.address));
});

test('a host that is silent loses its session; one that says only that it is there does not', async ({
  fleet,
}) => {
  const tracker = await openTracker(fleet, { deadAfterMs: 900 });
  const [silent, quiet] = [await openMember({ fleet }), await openMember({ fleet })];
  openSession(quiet, { trackers: [tracker.address], heartbeatMs: 100 });
  (await openPipe(silent, tracker.address)).send({ type: 'hello', protocol: 1, ...about });
  await Promise.all([silent, quiet].map((node) => sessionOf(tracker.server, node)));
  await waitFor(() => expect(tracker.ends).toHaveLength(1));
  expect(tracker.ends[0]).toMatchObject({ code: 'PEER_TIMEOUT' });
  expect([...tracker.server.sessions.keys()]).toEqual([quiet.peerId]);
});

test('a credential is renewed over the session before it ends', async ({ fleet }) => {
  const tracker = await openTracker(fleet, {
    onMessage: (session, message) => {
      if (message.type !== 'renew') return;
      session.send({
        type: 'credential',
        text: fleet.issue(session.peerId, { labels: { n: '2' } }),
      });
    },
  });
  const node = await openMember({ fleet });
  // More than half of its life is over.
  const issuedAt = new Date(Date.now() - 900_000).toISOString();
  node.setCredential(fleet.issue(node.peerId, { issuedAt }));
  openSession(node, { trackers: [tracker.address] });
  await waitFor(() => expect(node.claims?.labels).toEqual({ n: '2' }));
  const session = await sessionOf(tracker.server, node);
  await waitFor(() => expect(session.claims.labels).toEqual({ n: '2' }));
});

test('hosts are told of each other, by their own addresses alone', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const sessions = () => tracker.server.sessions.values();
  const introductions = new PeerIntroductions(
    { sessions, clock, random: seededRandom(1) },
    { everyMs: 20, count: 2 },
  );
  onTestFinished(() => introductions[Symbol.dispose]());
  const hosts = [];
  for (let index = 0; index < 3; index++) {
    const node = await openMember({ fleet });
    const elsewhere = addressOf(node).replace('127.0.0.1', '192.0.2.1');
    const addresses = [tracker.address, 'nonsense', elsewhere, addressOf(node)];
    const describe = () => ({ ...about, addresses });
    hosts.push({ node, ...openSession(node, { trackers: [tracker.address], describe }) });
  }
  for (const { node, messages } of hosts) {
    const others = hosts.filter((host) => host.node !== node).map((host) => addressOf(host.node));
    await waitFor(() => {
      const told = messages.flatMap((message) => (message.type === 'peers' ? [message] : []));
      expect(told.at(-1)?.addresses.toSorted()).toEqual(others.toSorted());
    });
  }
});
