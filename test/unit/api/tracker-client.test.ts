import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { TrackerClient, type SwarmEvent } from '../../../src/api/index.ts';
import { ConfigError, RepositoryError, TrackerError } from '../../../src/errors.ts';

/** A server that answers as it likes; ends with the test. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return urlOf(server);
}

function urlOf(server: Server): string {
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`;
}

const client = (url: string, changes: { token?: string; timeoutMs?: number } = {}) =>
  new TrackerClient({}, { url, ...changes });

const set = { targets: 't', snapshot: 's', timestamp: 'ts' };

const problem = (status: number, code: string) =>
  JSON.stringify({ type: 'about:blank', title: 'No', status, detail: 'because', code });

test('a URL that is none of http is refused at once', () => {
  for (const url of ['', 'tracker', 'ftp://tracker', 'localhost:7070']) {
    expect(() => client(url)).toThrow(ConfigError);
  }
  expect(client('http://tracker:7070/').url).toBe('http://tracker:7070');
  expect(client('https://host/path/?x#y').url).toBe('https://host/path');
});

test('a push carries the set and the token, and answers with the versions', async () => {
  const versions = { timestampVersion: 1, snapshotVersion: 1, targetsVersion: 1, releases: 1 };
  let seen: unknown;
  const url = await serve((request, response) => {
    let text = '';
    request.on('data', (data: Buffer) => (text += data.toString()));
    request.on('end', () => {
      const { method, url: path, headers } = request;
      seen = {
        method,
        path,
        authorization: headers.authorization,
        body: JSON.parse(text) as unknown,
      };
      response.end(JSON.stringify({ ...versions, later: 'more' }));
    });
  });
  expect(await client(url, { token: 'secret' }).pushRelease(set)).toEqual(versions);
  const authorization = 'Bearer secret';
  expect(seen).toEqual({ method: 'PUT', path: '/v1/releases', authorization, body: set });
});

test('the token is sent to /v1 only', async () => {
  const seen: (string | undefined)[] = [];
  const url = await serve((request, response) => {
    seen.push(request.headers.authorization);
    response.end('{"status":"ok"}');
  });
  await client(url, { token: 'secret' }).metadata('timestamp.json', 100);
  await client(url, { token: 'secret' }).health();
  expect(seen).toEqual([undefined, undefined]);
});

test('a refused release comes out as what it is', async () => {
  const url = await serve((_request, response) => {
    response.writeHead(409).end(problem(409, 'REPOSITORY_ROLLBACK'));
  });
  const error: unknown = await client(url)
    .pushRelease(set)
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RepositoryError);
  expect(error).toMatchObject({ code: 'REPOSITORY_ROLLBACK', evidence: { detail: 'because' } });
});

test.each([
  [401, problem(401, 'UNAUTHORIZED'), 'TRACKER_REFUSED', /because; check the token$/],
  [404, problem(404, 'NOT_FOUND'), 'TRACKER_REFUSED', /because$/],
  [302, 'moved', 'TRACKER_REFUSED', /HTTP status 302$/],
  [413, '<html>', 'TRACKER_REFUSED', /HTTP status 413$/],
  [503, problem(503, 'STORAGE_NO_SPACE'), 'TRACKER_FAILED', /because$/],
  [500, '', 'TRACKER_FAILED', /HTTP status 500$/],
  [200, 'not JSON', 'TRACKER_FAILED', /check that the URL/],
  [200, '{"releases":[{}]}', 'TRACKER_FAILED', /check that the URL/],
])('status %i with %s is an error that says so', async (status, body, code, message) => {
  const url = await serve((_request, response) => {
    response.writeHead(status, { location: '/elsewhere' }).end(body);
  });
  const error: unknown = await client(url)
    .releases()
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TrackerError);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
});

test('metadata comes byte for byte, and what is not there is undefined', async () => {
  const url = await serve((request, response) => {
    if (request.url === '/tuf/1.root.json') response.end(Buffer.from([0, 255, 10]));
    else response.writeHead(404).end(problem(404, 'NOT_FOUND'));
  });
  expect(await client(url).metadata('1.root.json', 3)).toEqual(Buffer.from([0, 255, 10]));
  expect(await client(url).metadata('2.root.json', 3)).toBeUndefined();
});

test('an answer without end is cut off where it becomes too long', async () => {
  let cut: Promise<unknown> | undefined;
  const url = await serve((_request, response) => {
    cut = once(response, 'close');
    const more = () => {
      while (response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    more();
  });
  await expect(client(url).metadata('timestamp.json', 1_000)).rejects.toThrow(/1000 bytes/);
  await cut;
});

test('nobody there: the error says where and what to check', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const nobody = urlOf(server);
  server.close();
  await once(server, 'close');
  const error: unknown = await client(nobody)
    .health()
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'TRACKER_UNREACHABLE',
    evidence: { url: `${nobody}/healthz` },
  });
  expect(String(error)).toMatch(/ECONNREFUSED.*check that it runs/);
});

test('a tracker that does not answer in time, or in the middle of it, is out of reach', async () => {
  const silent = await serve(() => undefined);
  const halting = await serve((_request, response) => void response.write('{'));
  for (const url of [silent, halting]) {
    const asked = client(url, { timeoutMs: 50 }).health();
    await expect(asked).rejects.toMatchObject({ code: 'TRACKER_UNREACHABLE' });
  }
});

test('a signal ends a request with its own reason', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const url = await serve(() => controller.abort(reason));
  const { signal } = controller;
  await expect(client(url).swarms({ signal })).rejects.toBe(reason);
  await expect(client(url).swarm('00', { signal })).rejects.toBe(reason);
});

async function watch(url: string, timeoutMs?: number): Promise<SwarmEvent[]> {
  const tracker = client(url, timeoutMs === undefined ? {} : { timeoutMs });
  const seen: SwarmEvent[] = [];
  for await (const event of tracker.watchSwarm('00')) seen.push(event);
  return seen;
}

const streamed = { 'content-type': 'text/event-stream' };
const gone = 'event: gone\ndata: {"address":"127.0.0.1","port":7}\n\n';

test('events are read however they were cut, and those of a newer tracker passed over', async () => {
  const text = `retry: 1\n\n:\n\nevent: later\ndata: x\n\n${gone}`;
  const url = await serve((_request, response) => {
    response.writeHead(200, streamed);
    const write = (at: number) => {
      if (at === text.length) response.end();
      else response.write(text[at], () => write(at + 1));
    };
    write(0);
  });
  expect(await watch(url)).toEqual([{ event: 'gone', data: { address: '127.0.0.1', port: 7 } }]);
});

test('a stream that falls silent, breaks or makes no sense is a failure, not an end', async () => {
  const fail = async (write: (response: ServerResponse) => void) => {
    const url = await serve((_request, response) => {
      response.writeHead(200, streamed).write(gone, () => write(response));
    });
    return watch(url, 200);
  };
  const unreachable = { code: 'TRACKER_UNREACHABLE' };
  await expect(fail(() => undefined)).rejects.toMatchObject(unreachable);
  await expect(fail((response) => response.destroy())).rejects.toMatchObject(unreachable);
  const failed = { code: 'TRACKER_FAILED' };
  const wrong = 'event: gone\ndata: {"port":"x"}\n\n';
  await expect(fail((response) => response.end(wrong))).rejects.toMatchObject(failed);
  const endless = 'x'.repeat(2 << 20);
  await expect(fail((response) => response.end(endless))).rejects.toMatchObject(failed);
});
