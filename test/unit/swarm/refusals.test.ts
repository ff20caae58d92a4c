import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { connect } from 'node:tls';
import { expect, test } from 'vitest';
import { infoHashOf } from '../../../src/image/index.ts';
import { encodeHandshake } from '../../../src/swarm/handshake.ts';
import type { Seal, SwarmStatus } from '../../../src/swarm/index.ts';
import {
  Identity,
  makePeerCertificate,
  newTicketKeys,
  tlsOptions,
} from '../../../src/trust/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const bake = async () => {
  const directory = await temporaryDirectory();
  return { directory, image: await bakeSketch(directory, { a: seededBytes(1, 100_000) }) };
};

/** What a fetcher says, once it says why it has no peers. */
async function reasonOf(
  endpoint: { host: string; port: number },
  seal?: TestSeal,
): Promise<SwarmStatus> {
  const { image } = await bake();
  const fetcher = await openExchange(await temporaryDirectory(), {
    seal,
    open: seal === undefined,
  });
  fetcher.exchange.fetch(image.imageId);
  fetcher.exchange.addEndpoint(image.imageId, endpoint);
  return await fetcher.until(({ reason }) => reason !== undefined);
}

type TestSeal = Pick<Seal, 'peerId' | 'tls' | 'onChange'> & { members: ReadonlySet<string> };

/** The seal of a new host, which knows these and, unless told otherwise, itself as members. */
async function sealOf(others: readonly TestSeal[], knowsItself = true): Promise<TestSeal> {
  const identity = Identity.generate();
  const certificate = await makePeerCertificate(identity, { now: new Date() });
  const members = new Set(others.map(({ peerId }) => peerId));
  if (knowsItself) members.add(identity.peerId);
  const tls = tlsOptions(certificate, newTicketKeys());
  return { peerId: identity.peerId, tls, members, onChange: undefined };
}

async function sealedSeed(seal: TestSeal) {
  const { directory, image } = await bake();
  const seed = await openExchange(directory, { seal, open: false });
  seed.exchange.seed(image);
  return { ...seed, image };
}

test('a swarm that reaches nobody says what came of it', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  expect(await reasonOf(endpoint)).toMatchObject({
    state: 'metadata',
    reason: `127.0.0.1:${endpoint.port} closed the connection before it answered`,
  });
  server.close();
  await once(server, 'close');
  expect((await reasonOf(endpoint)).reason).toContain('ECONNREFUSED');
});

test('a host that others do not know as a member says that it may be so', async () => {
  const theirs = await sealOf([]);
  const seed = await sealedSeed(theirs);
  const ours = await sealOf([theirs]);
  const { reason } = await reasonOf(seed.endpoint, ours);
  expect(reason).toBe(
    `127.0.0.1:${seed.endpoint.port} closed the connection before it answered: perhaps this host, ${ours.peerId}, is no member there`,
  );
});

test('a host does not speak with one that is no member, and says so', async () => {
  const theirs = await sealOf([]);
  const seed = await sealedSeed(theirs);
  const { reason } = await reasonOf(seed.endpoint, await sealOf([]));
  expect(reason).toBe(`${theirs.peerId} is not a member of this fleet`);
});

test('a host that its own members file does not name says so, whatever others do', async () => {
  const theirs = await sealOf([]);
  const seed = await sealedSeed(theirs);
  const ours = await sealOf([theirs], false);
  const { reason } = await reasonOf(seed.endpoint, ours);
  expect(reason).toBe(`this host, ${ours.peerId}, is not in its members file, so others refuse it`);
});

test('members have no reason to give, and one that is taken out is cut off', async () => {
  const ours = await sealOf([]);
  const theirs = await sealOf([ours]);
  ours.members = new Set([...ours.members, theirs.peerId]);
  const seed = await sealedSeed(theirs);
  seed.exchange.setLimits({ uploadBytesPerSecond: 20_000 });
  const fetcher = await openExchange(join(await temporaryDirectory(), 'host'), {
    seal: ours,
    open: false,
  });
  fetcher.exchange.fetch(seed.image.imageId);
  fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
  const joined = await fetcher.until(({ peers }) => peers === 1);
  expect(joined.reason).toBeUndefined();
  seed.exchange.setMembers(new Set([theirs.peerId]));
  const alone = await fetcher.until(
    (status) => status.reason?.includes('no member there') === true,
  );
  expect(alone.peers).toBe(0);
});

test('a member that is taken out before it says anything is not answered', async () => {
  const ours = await sealOf([]);
  const theirs = await sealOf([ours]);
  const seed = await sealedSeed(theirs);
  const socket = connect({ ...seed.endpoint, ...ours.tls });
  let answered = 0;
  socket.on('data', (bytes: Buffer) => {
    answered += bytes.length;
  });
  // Sent when the other side is done with the TLS handshake.
  await once(socket, 'session');
  // What is written in that event itself stays in Node 24.
  await setImmediate();
  seed.exchange.setMembers(new Set([theirs.peerId]));
  const infoHash = infoHashOf(seed.image.imageId).subarray(0, 20);
  socket.write(encodeHandshake({ infoHash, peerId: Buffer.alloc(20, 'x') }));
  await once(socket, 'close');
  expect(answered).toBe(0);
});
