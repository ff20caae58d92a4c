import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { PortClaim } from '../../../src/swarm/data/port-claim.ts';

const host = '127.0.0.1';
const inUse = { code: 'CONFIG_IN_USE' };

test('a port is claimed once, also before anybody listens at it', async () => {
  const first = await PortClaim.take({ host, port: 0 });
  expect(first.port).toBeGreaterThan(0);
  await expect(PortClaim.take({ host, port: first.port })).rejects.toMatchObject(inUse);
  await first[Symbol.asyncDispose]();
  await using again = await PortClaim.take({ host, port: first.port });
  expect(again.port).toBe(first.port);
});

test('of several that claim a port at once, one gets it', async () => {
  const { port } = await freePort();
  const claims = await Promise.allSettled([1, 2, 3, 4].map(() => PortClaim.take({ host, port })));
  const got = claims.filter((claim) => claim.status === 'fulfilled');
  expect(got).toHaveLength(1);
  await got[0]?.value[Symbol.asyncDispose]();
});

test('a port at which others listen together is not claimed', async () => {
  const server = createServer().listen({ host, port: 0, reusePort: true });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(PortClaim.take({ host, port })).rejects.toMatchObject(inUse);
  server.close();
});

async function freePort(): Promise<{ port: number }> {
  await using claim = await PortClaim.take({ host, port: 0 });
  return { port: claim.port };
}
