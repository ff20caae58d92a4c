import { join as pathOf } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FleetClient, TrackerClient } from '../../src/api/index.ts';
import { ControlNode, openFleetLink, systemClock } from '../../src/control/index.ts';
import { FramePipe } from '../../src/control/frame-pipe.ts';
import { maxMessageBytes, sessionProtocol } from '../../src/control/messages.ts';
import { encodeCredentialFrame } from '../../src/swarm/data/credential-frame.ts';
import { PeerError } from '../../src/errors.ts';
import {
  Identity,
  makePeerCertificate,
  newTicketKeys,
  tlsOptions,
  type CredentialClaims,
} from '../../src/trust/index.ts';
import { waitFor } from '../tools/control-fleet.ts';
import { FleetKey } from '../tools/fleet-key.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { bakeOnce, hello, openSeed, RawPeer, type Seed } from '../unit/swarm/admission-host.ts';
import { createPublisher, runTracker } from '../unit/tracker/running-tracker.ts';

/**
 * Who must be refused, at the two doors that there are: a real tracker's control plane, and a real seeder that
 * knows of its fleet by its session with that tracker and by nothing else.
 */

const { signal } = new AbortController();
const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const grant = { roles: ['host' as const], apps: ['*'], labels: {} };

bakeOnce();

interface World {
  readonly fleet: FleetClient;
  readonly trackerAddress: string;
  readonly seed: Seed;
  /** Whom the seeder knows to be revoked. */
  readonly seederKnowsRevoked: (peerId: string) => boolean;
}

/** Somebody who comes to a door, and all that he has to show. */
interface Caller {
  readonly identity: Identity;
  readonly credential: string | undefined;
}

async function openWorld(): Promise<World> {
  const directory = await temporaryDirectory();
  await Identity.open(pathOf(directory, 'fleet.key'));
  const { rootPath } = await createPublisher();
  const control = { host: '127.0.0.1', port: 0, credentialMs: 60_000 };
  const { tracker, token } = await runTracker({ directory, rootPath, control, udp: false });
  const client = new TrackerClient({}, { url: tracker.url, token });
  const fleet = new FleetClient({ tracker: client });
  const { token: seederToken } = await fleet.createToken({
    ...{ ...grant, roles: ['seeder'] },
    ttlMs: 60_000,
  });
  const seeder = await openLink(seederToken, await temporaryDirectory());
  const membership = seeder.seal.fleet;
  const seed = await openSeed({ seal: seeder.seal, apps: ['web'] });
  return {
    fleet,
    seed,
    trackerAddress: tracker.fleet?.addresses[0] ?? '',
    seederKnowsRevoked: (peerId) => membership?.isRevoked(peerId) === true,
  };
}

/** Joins as a program does, and keeps its session. */
async function openLink(token: string, directory: string) {
  const identityPath = pathOf(directory, 'identity.key');
  const own = { directory, identityPath, host: '127.0.0.1', controlPort: 0 };
  const opened = await openFleetLink(
    { log, random: () => 0 },
    { ...own, join: token, zone: '', rack: '', version: '1' },
    { signal },
  );
  if (opened === undefined) throw new Error('a host with a token belongs to a fleet');
  onTestFinished(() => opened[Symbol.asyncDispose]());
  opened.link.follow({
    follows: [],
    settingsRevisions: () => ({}),
    onSettings: () => undefined,
    onPermits: () => undefined,
    onPreheat: () => undefined,
    onNews: () => undefined,
    onConnected: () => undefined,
  });
  return { ...opened, identity: await Identity.open(identityPath) };
}

async function newToken({ fleet }: World, ttlMs = 60_000): Promise<string> {
  return (await fleet.createToken({ ...grant, ttlMs })).token;
}

/** Joins, and goes again. @returns what it can show from now on */
async function join(token: string): Promise<Caller> {
  await using host = await openLink(token, await temporaryDirectory());
  return { identity: host.identity, credential: host.seal.fleet?.credential };
}

/** Asks the tracker for a session. @returns the first that it is told there */
async function knock({ trackerAddress }: World, { identity, credential }: Caller): Promise<string> {
  const node = await ControlNode.open(
    // It believes whatever is shown, its own credential before all.
    { identity, clock: systemClock, verifier: { verify: () => claimsOf(identity) } },
    { role: 'host', listen: [], ...(credential === undefined ? {} : { credential }) },
  );
  onTestFinished(() => node[Symbol.asyncDispose]());
  const connection =
    credential === undefined
      ? await node.connectAsStranger(trackerAddress, { signal })
      : await node.connect(trackerAddress, { signal });
  const stream = await node.openStream(connection, sessionProtocol, { signal });
  const pipe = new FramePipe(stream, { maxFrameBytes: maxMessageBytes });
  pipe.send({ type: 'hello', protocol: 1, version: '1', follows: [], settings: {}, addresses: [] });
  return Buffer.from((await pipe.read({ signal })) ?? '').toString();
}

const claimsOf = ({ peerId }: Pick<Identity, 'peerId'>): CredentialClaims => {
  const [issuedAt, expiresAt] = [0, 4e12].map((ms) => new Date(ms).toISOString());
  return { peerId, ...grant, issuedAt: String(issuedAt), expiresAt: String(expiresAt) };
};

/** Asks the seeder for its image, after showing what there is to show. @returns all that came */
async function ask({ seed }: World, { identity, credential }: Caller): Promise<Buffer> {
  const certificate = await makePeerCertificate(identity, { now: new Date() });
  const peer = await RawPeer.dial(seed.endpoint.port, tlsOptions(certificate, newTicketKeys()));
  if (credential !== undefined) {
    peer.write(encodeCredentialFrame(credential));
    await Promise.race([peer.end(), peer.until(1)]);
    if (peer.received.length === 0) return peer.received;
  }
  const before = peer.received.length;
  peer.write(hello(seed.image));
  await Promise.race([peer.end(), peer.until(before + 68)]);
  return peer.received;
}

test('who belongs is let in at both doors', async () => {
  const world = await openWorld();
  const caller = await join(await newToken(world));
  expect(await knock(world, caller)).toContain('"welcome"');
  expect((await ask(world, caller)).toString('latin1')).toContain('BitTorrent protocol');
});

/** Who comes, and why he is refused: by the control plane, and by the data plane. */
const callers: Record<string, (world: World) => Promise<Caller & { readonly why: RegExp }>> = {
  'who is no member': () => {
    const identity = Identity.generate();
    const credential = new FleetKey().issue(identity.peerId);
    return Promise.resolve({ identity, credential, why: /is not signed by the key of the fleet/ });
  },
  'a member that was revoked': async (world) => {
    const caller = await join(await newToken(world));
    const { peerId } = caller.identity;
    await world.fleet.revoke(peerId);
    await waitFor(() => expect(world.seederKnowsRevoked(peerId)).toBe(true));
    return { ...caller, why: /is revoked/ };
  },
  'a member that comes as another': async (world) => {
    const { identity } = await join(await newToken(world));
    const { credential } = await join(await newToken(world));
    return { identity, credential, why: /the credential is about/ };
  },
  'who came with a token that has expired': async (world) => {
    const token = await newToken(world, 1_000);
    await waitFor(async () => expect(await world.fleet.tokens()).toHaveLength(1));
    return await refusedAtJoining(token, /its join token has expired/);
  },
  'who came with a token that was used': async (world) => {
    const token = await newToken(world);
    const { identity } = await join(token);
    return await refusedAtJoining(token, new RegExp(`was used by ${identity.peerId}`));
  },
};

/** All that is left to him is to come without a credential. */
async function refusedAtJoining(token: string, why: RegExp) {
  const directory = await temporaryDirectory();
  await expect(openLink(token, directory)).rejects.toMatchObject({
    code: 'TRACKER_REFUSED',
    message: expect.stringMatching(why) as string,
  });
  const identity = await Identity.open(pathOf(directory, 'identity.key'));
  return { identity, credential: undefined, why: /shows no credential/ };
}

describe.each(Object.entries(callers))('%s', (_, come) => {
  test('gets no session with the tracker', async () => {
    const world = await openWorld();
    const { why, ...caller } = await come(world);
    const refusal = await knock(world, caller).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(PeerError);
    // Who has shown nothing is told nothing.
    if (caller.credential !== undefined) expect((refusal as PeerError).message).toMatch(why);
    const { members } = await world.fleet.members();
    const connected = members.filter((member) => member.connected);
    expect(connected.map(({ roles }) => roles)).toEqual([['seeder']]);
  });

  test('gets nothing from a seeder', async () => {
    const world = await openWorld();
    const { why, ...caller } = await come(world);
    expect(await ask(world, caller)).toHaveLength(0);
    await waitFor(() => expect(world.seed.refusals.join()).toMatch(why));
    expect(world.seed.swarm.status()).toMatchObject({ peers: 0, sentBytes: 0 });
  });
});

test('who sits at the address of a tracker is not taken for it', async () => {
  const world = await openWorld();
  const caller = await join(await newToken(world));
  const squatter = await ControlNode.open(
    {
      identity: caller.identity,
      clock: systemClock,
      verifier: { verify: (_, peerId) => claimsOf({ peerId }) },
    },
    { role: 'host', listen: ['/ip4/127.0.0.1/tcp/0'], credential: caller.credential ?? '' },
  );
  onTestFinished(() => squatter[Symbol.asyncDispose]());
  const own = squatter.addresses[0] ?? '';
  const trackerId = world.trackerAddress.split('/').at(-1) ?? '';
  const trackerAddress = own.replace(squatter.peerId, trackerId);
  const host = await join(await newToken(world));
  await expect(knock({ ...world, trackerAddress }, host)).rejects.toBeInstanceOf(PeerError);
  expect(squatter.members()).toEqual([]);
});
