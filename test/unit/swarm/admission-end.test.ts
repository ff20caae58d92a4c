import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { clockSkewMs } from '../../../src/trust/index.ts';
import { encodeCredentialFrame } from '../../../src/swarm/data/credential-frame.ts';
import { FleetKey } from '../../tools/fleet-key.ts';
import { newSealedHost, type SealedHost } from '../../tools/sealed-host.ts';
import { bakeOnce, openFetcher, openSeed, RawPeer } from './admission-host.ts';

const fleet = new FleetKey();
let one: SealedHost, two: SealedHost;

bakeOnce();

beforeAll(async () => {
  [one, two] = await Promise.all([newSealedHost(), newSealedHost()]);
});

/** Slow enough that it is not over when something happens. */
const slow = { uploadBytesPerSecond: 400_000 };
/** Expires so soon, clocks that differ considered. Issued when all is ready, since it is short. */
const brief = ({ peerId }: SealedHost) => fleet.issue(peerId, { expiresInMs: 1_500 - clockSkewMs });

describe.each([0, 1])('with %s threads', (threads) => {
  test('a member that is revoked is cut off at once, also one that has said nothing yet', async () => {
    const membership = fleet.membership(one);
    const seed = await openSeed({ seal: fleet.sealOf(one, membership), threads, ...slow });
    const fetcher = await openFetcher(seed.image, { seal: fleet.sealOf(two), threads });
    fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
    await fetcher.until(({ verifiedBytes }) => verifiedBytes > 0);
    const frame = encodeCredentialFrame(membership.credential ?? '');
    const silent = await RawPeer.dial(seed.endpoint.port, two.tls);
    await silent.show(fleet.issue(two.peerId), frame.length);
    const cut = fetcher.until(({ peers }) => peers === 0);
    membership.takeRevocations(fleet.revoke(two.peerId));
    expect(seed.swarm.status().peers).toBe(0);
    await cut;
    expect((await silent.end()).length).toBe(frame.length);
    expect(seed.refusals.join()).toContain(`${two.peerId} is revoked`);
    const again = await RawPeer.dial(seed.endpoint.port, two.tls);
    again.write(encodeCredentialFrame(fleet.issue(two.peerId)));
    expect(await again.end()).toHaveLength(0);
  });

  test('a credential that expires ends its connections; with a new one they come again', async () => {
    const seed = await openSeed({ seal: fleet.sealOf(one), threads, ...slow });
    const membership = fleet.membership(two);
    const fetcher = await openFetcher(seed.image, { seal: fleet.sealOf(two, membership), threads });
    membership.takeCredential(brief(two));
    fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
    await fetcher.until(({ verifiedBytes }) => verifiedBytes > 0);
    await fetcher.until(({ peers }) => peers === 0);
    const { verifiedBytes } = fetcher.swarm.status();
    fetcher.advance(60_000);
    const refused = await fetcher.until(({ reason }) => reason !== undefined);
    expect(refused.reason).toContain('has expired at');
    expect(refused.state).toBe('fetching');
    seed.exchange.setLimits({ uploadBytesPerSecond: Infinity });
    membership.takeCredential(fleet.issue(two.peerId));
    fetcher.advance(60_000);
    await fetcher.swarm.completed;
    // Nothing that was verified came twice.
    const { receivedBytes, sizeBytes = 0 } = fetcher.swarm.status();
    expect(verifiedBytes).toBeGreaterThan(0);
    expect(receivedBytes).toBeLessThan(sizeBytes + (1 << 20));
  });
});

test("the other side's credential that expires ends connections as well", async () => {
  const expiring = fleet.membership(one);
  const seed = await openSeed({ seal: fleet.sealOf(one, expiring), ...slow });
  const fetcher = await openFetcher(seed.image, { seal: fleet.sealOf(two) });
  expiring.takeCredential(brief(one));
  fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
  await fetcher.until(({ peers }) => peers === 1);
  const alone = await fetcher.until(({ peers, reason }) => peers === 0 && reason !== undefined);
  expect(alone.reason).toContain(`the credential of ${one.peerId} has expired`);
});

test('who is revoked before it has said anything is cut off at once, and not at the next look', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const membership = fleet.membership(one);
  const seed = await openSeed({ seal: fleet.sealOf(one, membership) });
  const silent = await RawPeer.dial(seed.endpoint.port, two.tls);
  await silent.show(fleet.issue(two.peerId), 1);
  membership.takeRevocations(fleet.revoke(two.peerId));
  // Who says nothing is closed as too slow, but only after ten seconds.
  await silent.end();
}, 8_000);

test('a connection whose credential was renewed in time comes again at once when the old one expires', async () => {
  const seed = await openSeed({ seal: fleet.sealOf(one), ...slow });
  const membership = fleet.membership(two);
  const fetcher = await openFetcher(seed.image, { seal: fleet.sealOf(two, membership) });
  membership.takeCredential(brief(two));
  fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
  await fetcher.until(({ peers }) => peers === 1);
  membership.takeCredential(fleet.issue(two.peerId));
  await fetcher.until(({ peers }) => peers === 0);
  await fetcher.until(({ peers }) => peers === 1);
  expect(fetcher.swarm.state).toBe('fetching');
});

test('a renewed credential leaves the connections that stand alone', async () => {
  const membership = fleet.membership(one);
  const seed = await openSeed({ seal: fleet.sealOf(one, membership), ...slow });
  const fetcher = await openFetcher(seed.image, { seal: fleet.sealOf(two) });
  fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
  await fetcher.until(({ peers }) => peers === 1);
  const links = () => [...fetcher.swarm.peers].map(({ link }) => link);
  const before = links();
  membership.takeCredential(fleet.issue(one.peerId, { labels: { rack: 'r2' } }));
  seed.exchange.setLimits({ uploadBytesPerSecond: Infinity });
  await fetcher.swarm.completed;
  expect(links()).toEqual(before);
});

describe('a host that others must refuse says why, when it knows', () => {
  test.each<[string, string, (host: SealedHost) => ReturnType<FleetKey['membership']>]>([
    [
      'it has expired',
      "it is this host's own",
      (host) => fleet.membership(host, { expiresInMs: -2 * clockSkewMs }),
    ],
    [
      'it is revoked',
      'is revoked, so others refuse it',
      (host) => {
        const membership = fleet.membership(host);
        membership.takeRevocations(fleet.revoke(host.peerId));
        return membership;
      },
    ],
    [
      'it is an operator',
      'is neither host nor seeder',
      (host) => fleet.membership(host, { roles: ['operator'] }),
    ],
  ])('%s', async (_, why, membershipOf) => {
    const seed = await openSeed({ seal: fleet.sealOf(one) });
    const warnings: string[] = [];
    const fetcher = await openFetcher(seed.image, {
      seal: fleet.sealOf(two, membershipOf(two)),
      onWarning: (_what, error) => warnings.push(String(error)),
    });
    expect(fetcher.swarm.status().reason).toContain(why);
    expect(warnings.join()).toContain(why);
  });
});
