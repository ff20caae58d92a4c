import { once } from 'node:events';
import { connect } from 'node:tls';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { encodeCredentialFrame } from '../../../src/swarm/data/credential-frame.ts';
import { clockSkewMs } from '../../../src/trust/index.ts';
import { FleetKey } from '../../tools/fleet-key.ts';
import { newSealedHost, sealOf, type SealedHost } from '../../tools/sealed-host.ts';
import { describeTree } from '../../tools/tree-sketch.ts';
import {
  bakeOnce,
  hello,
  openFetcher,
  openSeed,
  RawPeer,
  rawListener,
  type Seed,
} from './admission-host.ts';

const fleet = new FleetKey();
const otherFleet = new FleetKey();
const protocolName = Buffer.from('BitTorrent protocol');
let one: SealedHost, two: SealedHost;

bakeOnce();

beforeAll(async () => {
  [one, two] = await Promise.all([newSealedHost(), newSealedHost()]);
});

/** The image is fetched from the seed by a member that may have every app. */
async function expectServes({ image, endpoint }: Seed, threads = 0): Promise<void> {
  const fetcher = await openFetcher(image, { seal: fleet.sealOf(two), threads });
  fetcher.exchange.addEndpoint(image.imageId, endpoint);
  const stored = await fetcher.swarm.completed;
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
}

/** What is shown by who must not be let in, by why. */
const wrongCredentials: Record<string, { why: string; shown: (peerId: string) => Buffer }> = {
  'no credential': { why: 'shows no credential', shown: () => Buffer.alloc(0) },
  'an empty one': { why: 'credential of 0 bytes', shown: () => encodeCredentialFrame('') },
  'one that is too long': {
    why: 'credential of 4097 bytes',
    shown: () => encodeCredentialFrame('A'.repeat(4_097)),
  },
  'one of another version': {
    why: 'shows no credential',
    shown: (peerId) => {
      const frame = encodeCredentialFrame(fleet.issue(peerId));
      frame[4] = 2;
      return frame;
    },
  },
  'no line of a fleet': { why: 'is not of the form', shown: () => encodeCredentialFrame('hello') },
  'one of another fleet': {
    why: `not signed by the key of the fleet ${fleet.fleetId}`,
    shown: (peerId) => encodeCredentialFrame(otherFleet.issue(peerId)),
  },
  "another member's": {
    why: 'the credential is about',
    shown: () => encodeCredentialFrame(fleet.issue(new FleetKey().fleetId)),
  },
  'an expired one': {
    why: 'has expired',
    shown: (peerId) => encodeCredentialFrame(fleet.issue(peerId, { expiresInMs: -clockSkewMs })),
  },
  'one of the future': {
    why: 'set the clocks',
    shown: (peerId) => {
      const issuedAt = new Date(Date.now() + 2 * clockSkewMs).toISOString();
      return encodeCredentialFrame(fleet.issue(peerId, { issuedAt }));
    },
  },
  'one of an operator': {
    why: 'neither host nor seeder',
    shown: (peerId) => encodeCredentialFrame(fleet.issue(peerId, { roles: ['operator'] })),
  },
};

describe('an image is fetched among members of a fleet, byte for byte', () => {
  test.each([0, 2])('with %s threads', async (threads) => {
    await expectServes(await openSeed({ seal: fleet.sealOf(one), threads }), threads);
  });
});

describe.each(Object.entries(wrongCredentials))('who shows %s', (_, { why, shown }) => {
  test('and connects is told nothing', async () => {
    const seed = await openSeed({ seal: fleet.sealOf(one) });
    const peer = await RawPeer.dial(seed.endpoint.port, two.tls);
    peer.write(shown(two.peerId));
    // What a peer that knows of no credentials begins with.
    if (shown(two.peerId).length === 0) peer.write(hello(seed.image));
    expect(await peer.end()).toHaveLength(0);
    await seed.untilRefused(why);
    expect(seed.swarm.status().peers).toBe(0);
  });

  test('and is connected to gets no byte of BitTorrent', async () => {
    const { image } = await openSeed({ seal: fleet.sealOf(one) });
    const says = shown(one.peerId);
    const listener = await rawListener(one, says.length === 0 ? hello(image) : says);
    const membership = fleet.membership(two);
    const fetcher = await openFetcher(image, { seal: fleet.sealOf(two, membership) });
    fetcher.exchange.addEndpoint(image.imageId, listener.endpoint);
    const heard = await listener.ended();
    // Its own credential is all that it has said, if that.
    const frame = encodeCredentialFrame(membership.credential ?? '');
    expect(frame.subarray(0, heard.length).equals(heard)).toBe(true);
    const { reason } = await fetcher.until((status) => status.reason !== undefined);
    expect(reason).toContain(why);
  });
});

test('who speaks on before it has seen the other is refused, though its credential is good', async () => {
  const seed = await openSeed({ seal: fleet.sealOf(one) });
  const peer = await RawPeer.dial(seed.endpoint.port, two.tls);
  peer.write(encodeCredentialFrame(fleet.issue(two.peerId)), hello(seed.image));
  expect(await peer.end()).toHaveLength(0);
  await seed.untilRefused('speaks before');
});

test('a credential that comes byte by byte is taken, and what follows is BitTorrent', async () => {
  const membership = fleet.membership(one);
  const seed = await openSeed({ seal: fleet.sealOf(one, membership) });
  const frame = encodeCredentialFrame(membership.credential ?? '');
  const peer = await RawPeer.dial(seed.endpoint.port, two.tls);
  for (const byte of encodeCredentialFrame(fleet.issue(two.peerId))) peer.write(Buffer.of(byte));
  await peer.until(frame.length);
  expect(peer.received.equals(frame)).toBe(true);
  peer.write(hello(seed.image));
  await peer.until(frame.length + 68);
  expect(peer.received.indexOf(protocolName)).toBe(frame.length + 1);
});

test('those who prove an identity and show nothing keep nobody out', async () => {
  const seed = await openSeed({ seal: fleet.sealOf(one) });
  const silent: RawPeer[] = [];
  for (let count = 0; count < 80; count++) {
    silent.push(await RawPeer.dial(seed.endpoint.port, two.tls));
  }
  await expectServes(seed);
  // The oldest gave way to those that came after.
  const [first] = silent;
  expect(await first?.end()).toHaveLength(0);
});

test('who resumes a session is asked again', async () => {
  const seed = await openSeed({ seal: fleet.sealOf(one) });
  const first = connect({ ...seed.endpoint, ...two.tls });
  onTestFinished(() => {
    first.destroy();
  });
  const [session] = (await once(first, 'session')) as [Buffer];
  first.destroy();
  const again = await RawPeer.dial(seed.endpoint.port, { ...two.tls, session });
  expect(again.socket.isSessionReused()).toBe(true);
  again.write(hello(seed.image));
  expect(await again.end()).toHaveLength(0);
  await seed.untilRefused('shows no credential');
});

test('members that are known by a file and members of a fleet do not speak with each other', async () => {
  const seed = await openSeed({ seal: sealOf(one, two) });
  const fetcher = await openFetcher(seed.image, { seal: fleet.sealOf(two) });
  fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
  await fetcher.until(({ reason }) => reason !== undefined);
  expect(fetcher.swarm.status()).toMatchObject({ peers: 0, receivedBytes: 0 });
  expect(seed.swarm.status().sentBytes).toBe(0);
});
