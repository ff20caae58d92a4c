import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { problemSchema } from '../../../src/api/index.ts';
import type { MetadataSet } from '../../../src/trust/index.ts';
import { createPublisher, runNewTracker, runTracker } from './running-tracker.ts';

interface Running {
  readonly tracker: { readonly url: string };
  readonly token: string;
}

const put = ({ tracker, token }: Running, set: MetadataSet) =>
  fetch(`${tracker.url}/v1/releases`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(set),
  });

const list = async ({ tracker, token }: Running): Promise<unknown> => {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${tracker.url}/v1/releases`, { headers })).json();
};

const tuf = (running: Running, name: string, headers = {}) =>
  fetch(`${running.tracker.url}/tuf/${name}`, { headers });

test('a signed release is taken, listed and served byte for byte', async () => {
  const { publisher, ...running } = await runNewTracker();
  expect(await list(running)).toEqual({ targetsVersion: 0, releases: [] });
  const first = publisher.release('one');
  const answer = await put(running, first);
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({
    timestampVersion: 1,
    snapshotVersion: 1,
    targetsVersion: 1,
    releases: 1,
  });
  const listed = await list(running);
  const release = { app: 'app', channel: 'stable', release: 1, version: '1.0.0', infoBytes: 3 };
  expect(listed).toMatchObject({ targetsVersion: 1, releases: [release] });

  expect(await (await tuf(running, 'timestamp.json')).text()).toBe(first.timestamp);
  expect(await (await tuf(running, '1.snapshot.json')).text()).toBe(first.snapshot);
  expect(await (await tuf(running, '1.targets.json')).text()).toBe(first.targets);
  expect(await (await tuf(running, 'root.json')).text()).toBe(publisher.root);
  expect(await (await tuf(running, '1.root.json')).text()).toBe(publisher.root);
});

test('the timestamp is asked for anew each time, what has a version is kept for ever', async () => {
  const { publisher, ...running } = await runNewTracker();
  const first = publisher.release('one');
  await put(running, first);
  const timestamp = await tuf(running, 'timestamp.json');
  expect(timestamp.headers.get('cache-control')).toBe('no-cache');
  expect(timestamp.headers.get('content-type')).toMatch(/^application\/json/);
  const etag = timestamp.headers.get('etag') ?? '';
  const headers = { 'if-none-match': `"other", W/${etag}` };
  expect((await tuf(running, 'timestamp.json', headers)).status).toBe(304);
  await put(running, publisher.release('two', first));
  expect((await tuf(running, 'timestamp.json', headers)).status).toBe(200);

  const targets = await tuf(running, '1.targets.json');
  expect(targets.headers.get('cache-control')).toMatch(/immutable/);
  expect(targets.headers.get('content-type')).toMatch(/^application\/json/);
});

test('only files of the repository are served, by whatever path they are asked for', async () => {
  const { publisher, directory, ...running } = await runNewTracker();
  await put(running, publisher.release('one'));
  await writeFile(join(directory, 'tuf', 'notes.json'), '{}');
  await writeFile(join(directory, 'tuf', '2.targets.json'), 'of a push that failed');
  const paths = [
    ...['notes.json', 'snapshot.json', 'targets.json', '0.root.json', '01.targets.json', 'token'],
    ...['2.targets.json', '1.timestamp.json', '1.targets.json.tmp', '1.targets.json/', '.', '..'],
    ...[
      '../token',
      '..%2ftoken',
      '%2e%2e%2ftoken',
      '..%5ctoken',
      '....//token',
      '%00',
      'a%00.json',
    ],
    ...['%2e%2e/%2e%2e/etc/passwd', '/etc/passwd', '1.targets.json%00', 'root.json%2f..%2ftoken'],
  ];
  for (const path of paths) {
    // Not with fetch, which tidies paths up before it sends them.
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asked = request(running.tracker.url, { path: `/tuf/${path}` }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on('error', reject).end();
    });
    expect(`${path} ${status ?? ''}`).toBe(`${path} 404`);
  }
});

test('what does not verify or does not move forward is refused, and says why', async () => {
  const { publisher, ...running } = await runNewTracker();
  const stranger = await createPublisher();
  const first = publisher.release('one');
  const second = publisher.release('two', first);
  const longAgo = new Date(Date.now() - 500 * 86_400_000);
  await put(running, second);
  const third = publisher.release('three', second);
  const cases: [set: MetadataSet, status: number, code: string][] = [
    [stranger.release('evil'), 403, 'REPOSITORY_SIGNATURE'],
    [first, 409, 'REPOSITORY_ROLLBACK'],
    [second, 409, 'REPOSITORY_ROLLBACK'],
    [{ ...third, targets: second.targets }, 403, 'REPOSITORY_MIX_AND_MATCH'],
    [publisher.release('old', second, longAgo), 403, 'REPOSITORY_EXPIRED'],
    [{ ...third, targets: '{' }, 403, 'REPOSITORY_MIX_AND_MATCH'],
    [{ ...third, timestamp: '{' }, 400, 'REPOSITORY_MALFORMED'],
  ];
  for (const [set, status, code] of cases) {
    const response = await put(running, set);
    const problem = problemSchema.parse(await response.json());
    expect(problem).toMatchObject({ status, code });
    expect(problem.detail).not.toContain('node_modules');
    expect(await (await tuf(running, 'timestamp.json')).text()).toBe(second.timestamp);
  }
  expect((await put(running, third)).status).toBe(200);
});

test('each push that was refused is logged with who and why', async () => {
  const lines: { msg: string; remote?: string; code?: string }[] = [];
  const write = (line: string) => lines.push(JSON.parse(line) as (typeof lines)[number]);
  const running = await runNewTracker({}, { log: pino({ level: 'info' }, { write }) });
  const stranger = await createPublisher();
  await put(running, stranger.release('evil'));
  await put({ ...running, token: 'guessed' }, running.publisher.release('one'));
  const refusals = lines.filter(({ msg }) => msg.includes('refused'));
  expect(refusals).toMatchObject([
    { remote: '127.0.0.1', code: 'REPOSITORY_SIGNATURE' },
    { remote: '127.0.0.1', route: '/v1/releases', code: 'UNAUTHORIZED' },
  ]);
  expect(JSON.stringify(lines)).not.toContain('guessed');
});

test('what was acknowledged is there after a restart, with the same token', async () => {
  const { publisher, directory, tracker, token } = await runNewTracker();
  const first = publisher.release('one');
  await put({ tracker, token }, first);
  const before = await list({ tracker, token });
  await tracker[Symbol.asyncDispose]();
  const again = await runTracker({ directory });
  expect(again.token).toBe(token);
  expect(await list(again)).toEqual(before);
  expect(await (await tuf(again, 'timestamp.json')).text()).toBe(first.timestamp);
});

test('a directory that can not be written: 503, nothing is lost, and then it goes on', async () => {
  const { publisher, directory, ...running } = await runNewTracker();
  const first = publisher.release('one');
  await put(running, first);
  const second = publisher.release('two', first);
  const repository = join(directory, 'tuf');
  const root = await readFile(join(repository, 'root.json'));
  await rm(repository, { recursive: true });
  expect((await fetch(`${running.tracker.url}/readyz`)).status).toBe(503);
  const refused = await put(running, second);
  const problem = problemSchema.parse(await refused.json());
  expect(problem).toMatchObject({ status: 503, code: 'STORAGE_FAILED' });
  expect(await (await tuf(running, 'timestamp.json')).text()).toBe(first.timestamp);
  await mkdir(repository);
  await writeFile(join(repository, 'root.json'), root);
  expect((await put(running, second)).status).toBe(200);
});
