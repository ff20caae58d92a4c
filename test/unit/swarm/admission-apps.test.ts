import { beforeAll, describe, expect, test } from 'vitest';
import { infoHashOf } from '../../../src/image/index.ts';
import { encodeCredentialFrame } from '../../../src/swarm/data/credential-frame.ts';
import { FleetKey } from '../../tools/fleet-key.ts';
import { newSealedHost, type SealedHost } from '../../tools/sealed-host.ts';
import {
  bakeOnce,
  helloFor,
  openFetcher,
  openSeed,
  RawPeer,
  rawListener,
} from './admission-host.ts';

const fleet = new FleetKey();
let one: SealedHost, two: SealedHost;

bakeOnce();

beforeAll(async () => {
  [one, two] = await Promise.all([newSealedHost(), newSealedHost()]);
});

/** How `two` is sealed, with a credential for these apps. */
const allowed = (...apps: string[]) => fleet.sealOf(two, fleet.membership(two, { apps }));

describe('an image goes to who may have its app', () => {
  test.each<[string, string[], string[]]>([
    ['by name', ['hello'], ['hello']],
    ['by the beginning of names', ['team-*'], ['team-a']],
    ['by one of its apps', ['b'], ['a', 'b']],
    ['that is not known, for who may have all', ['*'], []],
  ])('%s', async (_, patterns, apps) => {
    const seed = await openSeed({ seal: fleet.sealOf(one), apps });
    const fetcher = await openFetcher(seed.image, { seal: allowed(...patterns), apps });
    fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
    await fetcher.swarm.completed;
  });
});

describe('who may not have the app', () => {
  test.each<[string, string[], string[]]>([
    ['another app', ['hello'], ['other']],
    ['a longer name', ['hello'], ['hello-2']],
    ['no app', [], ['hello']],
    ['an image of no known app', ['hello', 'a*'], []],
  ])('(%s) hears of the image as of one that is not here', async (_, patterns, apps) => {
    const membership = fleet.membership(one);
    const seed = await openSeed({ seal: fleet.sealOf(one, membership), apps });
    const frame = encodeCredentialFrame(membership.credential ?? '');
    const ask = async (infoHash: Buffer) => {
      const peer = await RawPeer.dial(seed.endpoint.port, two.tls);
      await peer.show(fleet.issue(two.peerId, { apps: patterns }), frame.length);
      peer.write(helloFor(infoHash));
      return await peer.end();
    };
    expect((await ask(infoHashOf(seed.image.imageId))).equals(frame)).toBe(true);
    expect((await ask(Buffer.alloc(32, 1))).equals(frame)).toBe(true);
    expect(seed.swarm.status()).toMatchObject({ peers: 0, sentBytes: 0 });
  });

  test('is not told which image is wanted, and is asked for nothing', async () => {
    const { image } = await openSeed({ seal: fleet.sealOf(one) });
    const says = encodeCredentialFrame(fleet.issue(one.peerId, { apps: ['other'] }));
    const listener = await rawListener(one, says);
    const membership = fleet.membership(two);
    const seal = fleet.sealOf(two, membership);
    const fetcher = await openFetcher(image, { seal, apps: ['hello'] });
    fetcher.exchange.addEndpoint(image.imageId, listener.endpoint);
    const heard = await listener.ended();
    expect(heard.equals(encodeCredentialFrame(membership.credential ?? ''))).toBe(true);
    expect(heard.includes(infoHashOf(image.imageId).subarray(0, 20))).toBe(false);
    const { reason } = await fetcher.until((status) => status.reason !== undefined);
    expect(reason).toContain(`${one.peerId} may not have this image`);
  });

  test('is given nothing by who fetches it either', async () => {
    const seed = await openSeed({ seal: fleet.sealOf(one), apps: ['hello'], threads: 1 });
    const fetcher = await openFetcher(seed.image, {
      seal: allowed('other'),
      apps: ['hello'],
      threads: 1,
    });
    fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
    const status = await fetcher.until(({ reason }) => reason !== undefined);
    expect(status.reason).toBe(
      `the credential of this host, ${two.peerId}, allows other, and not the app hello`,
    );
    expect(status).toMatchObject({ state: 'metadata', receivedBytes: 0, name: undefined });
  });
});

test('an image that is found to be of another app too goes to who may have that', async () => {
  const seed = await openSeed({ seal: fleet.sealOf(one), apps: ['a'] });
  const fetcher = await openFetcher(seed.image, { seal: allowed('b'), apps: ['b'] });
  seed.exchange.addApps(seed.image.imageId, ['b']);
  fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
  await fetcher.swarm.completed;
});
