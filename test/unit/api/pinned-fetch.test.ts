import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { RequestListener } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openPinnedFetch, TrackerClient } from '../../../src/api/index.ts';
import { writeTlsCertificate } from '../../tools/tls-certificate.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

/** A server that answers as it likes over TLS, and a client that believes it; ends with the test. */
async function serve(listener: RequestListener, timeoutMs = 5_000) {
  const { cert, key, certPath } = await writeTlsCertificate(await temporaryDirectory());
  const server = createServer({ cert, key }, listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const url = `https://127.0.0.1:${portOf(server)}`;
  const fetch = await openPinnedFetch(certPath);
  return { url, fetch, client: new TrackerClient({ fetch }, { url, token: 'secret', timeoutMs }) };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

test('it says and hears all that the client says and is told', async () => {
  const versions = { timestampVersion: 1, snapshotVersion: 1, targetsVersion: 1, releases: 1 };
  const set = { targets: 't', snapshot: 's', timestamp: 'ü' };
  let seen: unknown;
  const { client } = await serve((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (data: string) => (text += data));
    request.on('end', () => {
      const { method, url, headers } = request;
      const { authorization } = headers;
      const key = headers['idempotency-key'];
      seen = { method, url, authorization, key, body: JSON.parse(text) as unknown };
      response.end(JSON.stringify(versions));
    });
  });
  expect(await client.pushRelease(set, { idempotencyKey: 'k 1' })).toEqual(versions);
  expect(seen).toEqual({
    ...{ method: 'PUT', url: '/v1/releases', authorization: 'Bearer secret' },
    ...{ key: '"k 1"', body: set },
  });
});

test('it goes nowhere else, and answers without a body are answers', async () => {
  const { fetch, url } = await serve((request, response) => {
    if (request.url === '/304') response.writeHead(304).end();
    else response.writeHead(302, { location: 'https://127.0.0.1:1/' }).end('moved');
  });
  const { signal } = new AbortController();
  const ask = (path: string) =>
    fetch(url + path, { method: 'GET', headers: {}, redirect: 'manual', signal });
  const moved = await ask('/');
  expect([moved.status, moved.url, await moved.text()]).toEqual([302, `${url}/`, 'moved']);
  const unchanged = await ask('/304');
  expect([unchanged.status, await unchanged.text()]).toEqual([304, '']);
});

test('an answer without end is cut off where it becomes too long', async () => {
  let cut: Promise<unknown> | undefined;
  const { client } = await serve((_request, response) => {
    cut = once(response, 'close');
    const more = () => {
      while (response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    more();
  });
  await expect(client.metadata('timestamp.json', 1_000)).rejects.toThrow(/1000 bytes/);
  await cut;
});

test('a signal, or a time that passes, ends a request before and in the middle of its answer', async () => {
  const halting = await serve((_request, response) => void response.write('{'), 50);
  await expect(halting.client.health()).rejects.toMatchObject({ code: 'TRACKER_UNREACHABLE' });
  const controller = new AbortController();
  const reason = new Error('enough');
  const { client } = await serve(() => controller.abort(reason));
  await expect(client.swarms({ signal: controller.signal })).rejects.toBe(reason);
});

test('plain HTTP is refused before anything is sent', async () => {
  const { certPath } = await writeTlsCertificate(await temporaryDirectory());
  const fetch = await openPinnedFetch(certPath);
  const client = new TrackerClient({ fetch }, { url: 'http://127.0.0.1:1', token: 'secret' });
  await expect(client.releases()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/is not https/) as string,
  });
});

test('a file that holds no certificate is named', async () => {
  const path = join(await temporaryDirectory(), 'ca.pem');
  await expect(openPinnedFetch(path)).rejects.toMatchObject({ code: 'CONFIG_MISSING' });
  await writeFile(path, 'not a certificate');
  await expect(openPinnedFetch(path)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('of a certificate that nobody vouches for it is said how it is given', async () => {
  const { url } = await serve((_request, response) => response.end());
  await expect(new TrackerClient({}, { url }).health()).rejects.toMatchObject({
    code: 'TRACKER_UNREACHABLE',
    message: expect.stringMatching(/no authority .*--tracker-ca/) as string,
  });
});
