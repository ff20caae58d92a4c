import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { Seal } from '../../../src/swarm/index.ts';
import { Identity } from '../../../src/trust/sealed.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

/** The seal of a host in a directory of its own; its clock can be set. */
async function openSeal(directory: string, members: readonly string[] = []) {
  const identityPath = join(directory, 'identity.key');
  const membersPath = join(directory, 'members');
  const { peerId } = await Identity.open(identityPath);
  await writeFile(membersPath, [peerId, ...members].join('\n'));
  const clock = { now: new Date() };
  const init = { identityPath, membersPath, renewalCheckMs: 20, now: () => clock.now };
  const seal = await Seal.open(init);
  onTestFinished(() => seal[Symbol.asyncDispose]());
  return { seal, clock, directory };
}

const days = (count: number) => new Date(Date.now() + count * 86_400_000);

/** The serial number of the certificate that is shown at a port. */
async function shownAt(port: number, { tls }: Seal): Promise<string | undefined> {
  const socket = connect({ ...tls, host: '127.0.0.1', port });
  await once(socket, 'secureConnect');
  const shown = socket.getPeerX509Certificate()?.serialNumber;
  socket.destroy();
  return shown;
}

const serialOf = (pem: string) => new X509Certificate(pem).serialNumber;

test.each([0, 1])(
  'a certificate that ends soon is renewed while a host runs (%i threads)',
  async (threads) => {
    const { seal, clock, directory } = await openSeal(await temporaryDirectory());
    const first = serialOf(seal.tls.cert);
    const host = await openExchange(directory, { seal, open: false, threads });
    const { port } = host.endpoint;
    expect(await shownAt(port, seal)).toBe(first);
    const forExchange = seal.onRenewal;
    const renewed = new Promise<void>((resolve) => {
      seal.onRenewal = (tls) => {
        forExchange?.(tls);
        resolve();
      };
    });
    clock.now = days(310);
    await renewed;
    const second = serialOf(seal.tls.cert);
    expect(second).not.toBe(first);
    await expect.poll(() => shownAt(port, seal)).toBe(second);
    expect(await readFile(join(directory, 'identity.key.tls'), 'utf8')).toContain(seal.tls.key);
  },
);

test('a host with a renewed certificate fetches and serves, as before', async () => {
  const [one, two] = [await temporaryDirectory(), await temporaryDirectory()];
  const ids = await Promise.all(
    [one, two].map(async (path) => (await Identity.open(join(path, 'identity.key'))).peerId),
  );
  const [server, client] = [await openSeal(one, ids), await openSeal(two, ids)];
  const image = await bakeSketch(one, { file: 'x'.repeat(100_000) });
  const seed = await openExchange(one, { seal: server.seal, open: false });
  seed.exchange.seed(image);
  const fetcher = await openExchange(two, { seal: client.seal, open: false });
  for (const { seal } of [server, client]) {
    const other = join(await temporaryDirectory(), 'identity.key');
    const identityPath = join(seal === server.seal ? one : two, 'identity.key');
    await writeFile(other, await readFile(identityPath), { mode: 0o600 });
    await using renewed = await Seal.open({
      identityPath: other,
      membersPath: join(one, 'members'),
    });
    expect(renewed.tls.cert).not.toBe(seal.tls.cert);
    seal.onRenewal?.(renewed.tls);
  }
  const swarm = fetcher.exchange.fetch(image.imageId);
  fetcher.exchange.addEndpoint(image.imageId, seed.endpoint);
  await swarm.completed;
  expect(swarm.status().sources).toHaveLength(1);
});
