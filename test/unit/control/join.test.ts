import fc from 'fast-check';
import { expect, onTestFinished, vi } from 'vitest';
import {
  formatJoinToken,
  join,
  JoinServer,
  parseJoinToken,
  parsePeerAddress,
  systemClock,
  type JoinServerInit,
} from '../../../src/control/index.ts';
import { FramePipe } from '../../../src/control/frame-pipe.ts';
import { joinProtocol } from '../../../src/control/join-messages.ts';
import { PeerError } from '../../../src/errors.ts';
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

const secret = 'c2VjcmV0LXNlY3JldC1zZWNyZXQ';
const request = { labels: { rack: 'r1' }, version: '0.1.0' };

async function openTracker(fleet: ControlFleet, init: Partial<JoinServerInit> = {}) {
  const node = await openMember({ fleet, role: 'tracker' });
  const onRefused = vi.fn();
  const onJoin = vi.fn<JoinServerInit['onJoin']>((asked, peerId) => {
    if (asked.secret === undefined) return Promise.resolve({ pending: true });
    if (asked.secret === secret) return Promise.resolve({ credential: fleet.issue(peerId) });
    return Promise.reject(new PeerError('PEER_NOT_MEMBER', 'the join token was used before'));
  });
  const server = await JoinServer.open(
    { node, clock: systemClock },
    { onJoin, onRefused, ...init },
  );
  onTestFinished(() => server[Symbol.asyncDispose]());
  const tracker = addressOf(node);
  const token = formatJoinToken({ fleet: fleet.id, trackers: [tracker], secret });
  return { node, onJoin, onRefused, tracker, token };
}

test('a host with a join token becomes a member', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const token = parseJoinToken(tracker.token);
  expect(token.fleet).toBe(fleet.id);
  const node = await openNode({ fleet });
  const answer = await join(
    { node },
    { tracker: token.trackers[0]!, secret, ...request },
    { signal },
  );
  expect(answer).toHaveProperty('credential');
  expect(tracker.onJoin).toHaveBeenCalledWith({ secret, ...request }, node.peerId, '127.0.0.1');
  expect(node.claims?.peerId).toBe(node.peerId);
  await node.connect(token.trackers[0]!, { signal });
  expect(tracker.node.members()).toEqual([node.peerId]);
});

test('without a token a host waits until an operator has approved', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const node = await openNode({ fleet });
  const ask = () => join({ node }, { tracker: tracker.tracker, ...request }, { signal });
  expect(await ask()).toEqual({ pending: true });
  expect(node.claims).toBeUndefined();
  tracker.onJoin.mockResolvedValueOnce({ credential: fleet.issue(node.peerId) });
  await ask();
  expect(node.claims?.peerId).toBe(node.peerId);
});

test('who is refused hears why, and who meets a failure hears no details', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const node = await openNode({ fleet });
  const used = { tracker: tracker.tracker, secret: 'another-secret-of-somebody', ...request };
  await expect(join({ node }, used, { signal })).rejects.toMatchObject({
    code: 'TRACKER_REFUSED',
    message: expect.stringContaining('the join token was used before') as string,
    evidence: { reason: 'PEER_NOT_MEMBER' },
  });
  tracker.onJoin.mockRejectedValueOnce(new Error('secret details'));
  const failed = await join({ node }, used, { signal }).catch((error: unknown) => error);
  expect(failed).toMatchObject({ evidence: { reason: 'TRACKER_FAILED' } });
  expect((failed as Error).message).not.toContain('details');
  expect(tracker.onRefused).toHaveBeenCalledTimes(2);
});

test('a credential that is not good is not taken from a tracker', async ({ fleet }) => {
  const tracker = await openTracker(fleet);
  const node = await openNode({ fleet });
  const credential = new ControlFleet().issue(node.peerId);
  tracker.onJoin.mockResolvedValueOnce({ credential });
  await expect(
    join({ node }, { tracker: tracker.tracker, secret, ...request }, { signal }),
  ).rejects.toMatchObject({ code: 'PEER_NOT_MEMBER' });
  expect(node.claims).toBeUndefined();
});

test('one address asks so often and no more', async ({ fleet }) => {
  const tracker = await openTracker(fleet, { rate: { perSecond: 0.001, burst: 1 } });
  const node = await openNode({ fleet });
  const ask = () => join({ node }, { tracker: tracker.tracker, ...request }, { signal });
  await ask();
  await expect(ask()).rejects.toMatchObject({
    code: 'TRACKER_REFUSED',
    message: expect.stringContaining('too many ask to join') as string,
  });
  expect(tracker.onJoin).toHaveBeenCalledTimes(1);
});

test.for<[string, Buffer]>([
  ['is malformed', Buffer.from([0, 0, 0, 2, 0x7b, 0x7d])],
  ['is too long', Buffer.from([0, 0, 0x20, 1])],
])('a request that %s reaches nobody', async ([, bytes], { fleet }) => {
  const tracker = await openTracker(fleet);
  const node = await openNode({ fleet });
  const connection = await node.connectAsStranger(tracker.tracker, { signal });
  const stream = await node.openStream(connection, joinProtocol, { signal });
  new FramePipe(stream, { maxFrameBytes: 8_192 }).send(bytes);
  await waitFor(() => expect(tracker.onRefused).toHaveBeenCalledTimes(1));
  expect(tracker.onRefused.mock.calls[0]?.[2]).toMatchObject({ code: 'PEER_PROTOCOL' });
  expect(tracker.onJoin).not.toHaveBeenCalled();
});

test('a join token is one line, and says again what was put in', () => {
  const peerId = Identity.generate().peerId;
  const address = fc.constantFrom(
    `/dns/t.example/tcp/7000/p2p/${peerId}`,
    `10.0.0.1:7000/${peerId}`,
    `[::1]:7000/${peerId}`,
  );
  fc.assert(
    fc.property(
      fc.array(address, { minLength: 1, maxLength: 4 }),
      fc.option(fc.stringMatching(/^[A-Za-z0-9_-]{16,128}$/)),
      (trackers, word) => {
        const token = { fleet: peerId, trackers, ...(word === null ? {} : { secret: word }) };
        const text = formatJoinToken(token);
        expect(text).toMatch(/^starling-join:[A-Za-z0-9_-]+$/);
        expect(parseJoinToken(`${text}\n`)).toEqual(token);
      },
    ),
  );
});

test('a join token that was cut or changed is refused, and not shown', () => {
  const peerId = Identity.generate().peerId;
  const trackers = [`10.0.0.1:7000/${peerId}`];
  const text = formatJoinToken({ fleet: peerId, trackers, secret });
  for (const bad of [text.slice(0, -9), text.slice(9), `${text}!`, '', 'x'.repeat(9_000)]) {
    expect(() => parseJoinToken(bad)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(() => parseJoinToken(bad)).not.toThrow(new RegExp(secret));
  }
});

test('the address of a peer names who must be there', () => {
  const { peerId } = Identity.generate();
  const text = (address: string) => parsePeerAddress(address).multiaddr.toString();
  expect(text(`10.0.0.1:7000/${peerId}`)).toBe(`/ip4/10.0.0.1/tcp/7000/p2p/${peerId}`);
  expect(text(`[::1]:7000/${peerId}`)).toBe(`/ip6/::1/tcp/7000/p2p/${peerId}`);
  expect(text(`t.example:7000/${peerId}`)).toBe(`/dns/t.example/tcp/7000/p2p/${peerId}`);
  for (const bad of ['10.0.0.1:7000', '/ip4/10.0.0.1/tcp/7000', `10.0.0.1:70000/${peerId}`, 'x']) {
    expect(() => parsePeerAddress(bad)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  }
});
