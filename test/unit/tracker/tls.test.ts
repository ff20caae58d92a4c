import { copyFile, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { request as requestSealed } from 'node:https';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { openPinnedFetch, TrackerClient } from '../../../src/api/index.ts';
import type { TrackerConfig } from '../../../tracker/index.ts';
import { writeTlsCertificate, type TlsCertificate } from '../../tools/tls-certificate.ts';
import { announceHost, infoHash, progressOf } from './announce-batch.ts';
import { announceUrl } from './announce-url.ts';
import { runNewTracker, temporaryDirectory } from './running-tracker.ts';

async function runSealed(init: Partial<TrackerConfig> = {}) {
  const folder = await temporaryDirectory();
  const certificate = await writeTlsCertificate(folder);
  const { certPath, keyPath } = certificate;
  const running = await runNewTracker({ tls: { certPath, keyPath }, ...init });
  return { ...running, folder, certificate, client: await clientOf(running, certificate) };
}

async function clientOf(
  { tracker, token }: Pick<Awaited<ReturnType<typeof runNewTracker>>, 'tracker' | 'token'>,
  { certPath }: Pick<TlsCertificate, 'certPath'>,
) {
  const fetch = await openPinnedFetch(certPath);
  return new TrackerClient({ fetch }, { url: tracker.restUrl, token });
}

/** A sealed connection that is there; whose certificate is shown, and believed whatever it is. */
async function dial(port: number): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

const shownAt = async (port: number): Promise<string> => {
  const socket = await dial(port);
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
};

test('one port speaks TLS and plain HTTP, each by what a connection begins with', async () => {
  const { tracker, client, publisher } = await runSealed();
  expect(tracker.restUrl).toBe(`https://127.0.0.1:${tracker.port}`);
  const first = publisher.release('one');
  expect(await client.pushRelease(first)).toMatchObject({ targetsVersion: 1 });
  expect((await client.releases()).releases).toHaveLength(1);
  const timestamp = await client.metadata('timestamp.json', 100_000);
  expect(Buffer.from(timestamp ?? []).toString()).toBe(first.timestamp);
  expect((await fetch(tracker.url + announceUrl())).status).toBe(200);
  expect((await fetch(`${tracker.url}/tuf/timestamp.json`)).status).toBe(200);
  expect(await client.health()).toEqual({ status: 'ok' });
});

test('a large release goes through TLS whole', async () => {
  const { client, publisher } = await runSealed();
  const set = publisher.release('one');
  const padded = { ...set, targets: `${set.targets}${' '.repeat(4 << 20)}` };
  await expect(client.pushRelease(padded)).rejects.toMatchObject({
    code: 'REPOSITORY_MIX_AND_MATCH',
  });
});

test('TLS has a port of its own where it is given one', async () => {
  const { tracker, client } = await runSealed({ restPort: 0 });
  expect(new URL(tracker.restUrl).port).not.toBe(String(tracker.port));
  expect((await client.releases()).releases).toEqual([]);
  const plainPort = new TrackerClient(
    { fetch: (url, init) => fetch(url, init) },
    { url: `https://127.0.0.1:${tracker.port}`, timeoutMs: 5_000 },
  );
  await expect(plainPort.health()).rejects.toMatchObject({ code: 'TRACKER_UNREACHABLE' });
});

test('a certificate that is not the pinned one is not believed', async () => {
  const running = await runSealed();
  const other = await writeTlsCertificate(running.folder, 'other');
  const client = await clientOf(running, other);
  await expect(client.releases()).rejects.toMatchObject({
    code: 'TRACKER_UNREACHABLE',
    message: expect.stringMatching(/certificate/i) as string,
  });
  // Nor by who has none pinned.
  const unpinned = new TrackerClient({}, { url: running.tracker.restUrl });
  await expect(unpinned.health()).rejects.toMatchObject({ code: 'TRACKER_UNREACHABLE' });
});

/** An address by which this machine can call itself as if it was another. */
const [ownAddress] = Object.values(networkInterfaces())
  .flatMap((addresses = []) => addresses)
  .filter(({ family, internal }) => family === 'IPv4' && !internal)
  .map(({ address }) => address);

test.skipIf(ownAddress === undefined)(
  'from another machine a token is taken over TLS only, and what needs none either way',
  async () => {
    const { tracker, token, certificate } = await runSealed({ host: '0.0.0.0' });
    const ask = async (send: typeof request, path: string): Promise<number | undefined> => {
      const asked = send({
        ...{ host: '127.0.0.1', port: tracker.port, path, localAddress: ownAddress, agent: false },
        headers: { authorization: `Bearer ${token}` },
        ...{ ca: certificate.cert },
      }).end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    expect(await ask(request, '/v1/releases')).toBe(403);
    expect(await ask(requestSealed, '/v1/releases')).toBe(200);
    for (const path of ['/healthz', announceUrl(), '/v1/openapi.json']) {
      expect(await ask(request, path)).toBe(200);
    }
  },
);

test('a swarm is watched over TLS, until its end', async () => {
  const { tracker, client } = await runSealed({ watchIntervalMs: 20 });
  await announceHost(tracker, 1, { progress: progressOf(1) });
  const seen: string[] = [];
  for await (const { event } of client.watchSwarm(infoHash)) {
    if (seen.length === 0) await announceHost(tracker, 1, { event: 'stopped' });
    seen.push(event);
  }
  expect(seen[0]).toBe('summary');
  expect(seen.at(-1)).toBe('end');
});

test('a certificate that was renewed is shown without a restart, one that is broken is not', async () => {
  const { tracker, folder, certificate, client } = await runSealed({ certificateLookMs: 10 });
  expect(await shownAt(tracker.port)).toBe('tracker');
  const renewed = await writeTlsCertificate(folder, 'renewed');
  await copyFile(renewed.certPath, certificate.certPath);
  await copyFile(renewed.keyPath, certificate.keyPath);
  await expect.poll(() => shownAt(tracker.port)).toBe('renewed');
  await writeFile(certificate.keyPath, certificate.key);
  await writeFile(certificate.certPath, 'no certificate');
  expect(await shownAt(tracker.port)).toBe('renewed');
  await writeFile(certificate.certPath, certificate.cert);
  await expect.poll(() => shownAt(tracker.port)).toBe('tracker');
  expect((await client.releases()).releases).toEqual([]);
});

test.each([{}, { restPort: 0 }])(
  'connections that are idle or half sealed do not hold up the end (%j)',
  async (init) => {
    const { tracker, client } = await runSealed({ ...init, closeGraceMs: 20_000 });
    await client.releases();
    const port = Number(new URL(tracker.restUrl).port);
    const idle = await dial(port);
    idle.write('GET /healthz HTTP/1.1\r\nhost: t\r\n\r\n');
    await once(idle, 'data');
    const halfway = connect(port, '127.0.0.1');
    halfway.on('error', () => undefined);
    onTestFinished(() => void halfway.destroy());
    // The head of a record whose rest never comes.
    await new Promise((resolve) => halfway.write(Buffer.from('1603010200', 'hex'), resolve));
    const closed = once(halfway, 'close');
    await (await fetch(`${tracker.url}/healthz`)).text();
    await tracker[Symbol.asyncDispose]();
    await closed;
  },
);

test('noise that begins like TLS harms nobody', async () => {
  const { tracker, client } = await runSealed();
  for (const noise of ['16', '160301ffff', '1603010005deadbeef00', '1603030001ff']) {
    const socket = connect(tracker.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.end(Buffer.from(noise, 'hex'));
    socket.resume();
    await once(socket, 'close');
  }
  expect(await client.health()).toEqual({ status: 'ok' });
});

test('files that are no certificate with its key are named', async () => {
  const folder = await temporaryDirectory();
  const one = await writeTlsCertificate(folder, 'one');
  const two = await writeTlsCertificate(folder, 'two');
  const start = (certPath: string, keyPath: string) =>
    runNewTracker({ tls: { certPath, keyPath } });
  const missing = start(`${folder}/none`, one.keyPath);
  await expect(missing).rejects.toMatchObject({ code: 'CONFIG_MISSING' });
  await expect(start(one.keyPath, one.keyPath)).rejects.toThrow(/one\.key \(--tls-cert\) holds no/);
  await expect(start(one.certPath, one.certPath)).rejects.toThrow(
    /one\.crt \(--tls-key\) holds no/,
  );
  await expect(start(one.certPath, two.keyPath)).rejects.toThrow(/two\.key is not that of/);
  await expect(runNewTracker({ restPort: 0 })).rejects.toThrow(/--tls-cert/);
});
