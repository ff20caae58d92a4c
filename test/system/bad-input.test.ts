import { once } from 'node:events';
import { chmod, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { failureOf, resultOf, runCommand, type Failure } from './ended-program.ts';
import { TestFleet } from './test-fleet.ts';

type Bencoded =
  number | string | Buffer | readonly Bencoded[] | { readonly [key: string]: Bencoded };

/** Bencoding that does as it is told, unlike ours: any order, any name. */
function bencode(value: Bencoded): Buffer {
  if (typeof value === 'number') return Buffer.from(`i${value}e`);
  if (typeof value === 'string') return bencode(Buffer.from(value));
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value]);
  const items = Array.isArray(value)
    ? (value as readonly Bencoded[]).map(bencode)
    : Object.entries(value).flatMap(([key, item]) => [bencode(key), bencode(item)]);
  return Buffer.concat([Buffer.from(Array.isArray(value) ? 'l' : 'd'), ...items, Buffer.from('e')]);
}

const root = Buffer.alloc(32, 7);
const file = (length: number): Bencoded => ({ '': { length, 'pieces root': root } });
const link = (...target: string[]): Bencoded => ({ '': { attr: 'l', 'symlink path': target } });

function torrent(
  tree: Bencoded,
  init: { info?: Record<string, Bencoded>; layers?: Bencoded } = {},
): Buffer {
  const info = { 'file tree': tree, 'meta version': 2, name: 'x', 'piece length': 262_144 };
  return bencode({ info: { ...info, ...init.info }, 'piece layers': init.layers ?? {} });
}

const nested = (depth: number): Bencoded => (depth === 0 ? file(1) : { a: nested(depth - 1) });

const hostileTorrents: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['text', Buffer.from('hello')],
  ['a list', bencode([1, 2])],
  ['no info', bencode({ announce: 'http://127.0.0.1/' })],
  ['a string longer than the file', Buffer.from('d4:info99999999999:xe')],
  ['a number of a thousand digits', Buffer.from(`d4:infoi${'9'.repeat(1_000)}ee`)],
  ['something after the end', Buffer.concat([torrent({ a: file(1) }), Buffer.from('e')])],
  ['a name that goes up', torrent({ '..': file(1) })],
  ['a folder that goes up', torrent({ '..': { etc: { passwd: file(1) } } })],
  ['a name with a slash', torrent({ '../../etc/passwd': file(1) })],
  ['an absolute name', torrent({ '/etc/passwd': file(1) })],
  ['a name with NUL', torrent({ 'a\0b': file(1) })],
  ['an image named ..', torrent({ a: file(1) }, { info: { name: '..' } })],
  ['an image named a/b', torrent({ a: file(1) }, { info: { name: 'a/b' } })],
  ['a link out of the tree', torrent({ a: link('..', '..', 'etc', 'passwd') })],
  ['an absolute link', torrent({ a: link('', 'etc', 'passwd') })],
  [
    'a file through a link',
    torrent({ a: { '': { attr: 'l', 'symlink path': ['.'] }, b: file(1) } }),
  ],
  ['a size below nothing', torrent({ a: file(-1) })],
  ['a size beyond 2^53', torrent({ a: file(9_007_199_254_740_991), b: file(1) })],
  ['a size of 2^60', torrent({ a: { '': { length: 2 ** 60, 'pieces root': root } } })],
  ['a petabyte', torrent({ a: file(2 ** 50) })],
  ['pieces of 3 bytes', torrent({ a: file(1) }, { info: { 'piece length': 3 } })],
  ['pieces of 2^40 bytes', torrent({ a: file(1) }, { info: { 'piece length': 2 ** 40 } })],
  ['a tree 150 deep', torrent(nested(150))],
  ['lists 100,000 deep', Buffer.from(`d4:info${'l'.repeat(100_000)}${'e'.repeat(100_000)}e`)],
  ['no piece layer', torrent({ a: file(1_000_000) })],
  [
    'a wrong piece layer',
    torrent({ a: file(1_000_000) }, { layers: { [root.toString()]: Buffer.alloc(4 * 32) } }),
  ],
  ['a v1 torrent', bencode({ info: { length: 1, name: 'x', 'piece length': 16_384, pieces: '' } })],
];

describe('seeder inspect', () => {
  test.each(hostileTorrents)('refuses a .torrent with %s, and writes nothing', async (_, bytes) => {
    const directory = await temporaryDirectory();
    const path = join(directory, 'hostile.torrent');
    await writeFile(path, bytes);
    const store = join(directory, 'store');
    const failure = await failureOf('seeder', ['inspect', path, '--store', store], {
      cwd: directory,
    });
    expect(failure).toMatchObject({ exit: 2, code: 'IMAGE_METAINFO' });
    expect(failure.message).not.toMatch(/undefined|\[object|RangeError|Maximum call/);
    expect(await readdir(directory)).toEqual(['hostile.torrent']);
  });

  test('refuses a .torrent that was cut at any of many places', async () => {
    const directory = await temporaryDirectory();
    await writeTree(join(directory, 'tree'), { a: Buffer.alloc(600_000, 1), 'b/c': 'c' });
    const names = ['--name', 'x', '--version', '1', '--store', join(directory, 'store')];
    const { id } = await resultOf('seeder', ['bake', join(directory, 'tree'), ...names]);
    const whole = await readFile(join(directory, 'store', String(id), `${String(id)}.torrent`));
    const path = join(directory, 'cut.torrent');
    for (let part = 1; part < 8; part++) {
      await writeFile(path, whole.subarray(0, Math.floor((whole.length * part) / 8)));
      expect(await failureOf('seeder', ['inspect', path])).toMatchObject({ exit: 2 });
    }
    await writeFile(path, whole);
    expect(await resultOf('seeder', ['inspect', path])).toMatchObject({ id });
  });

  test.each(
    [
      'b',
      'baf5rei',
      'magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567',
      'magnet:?xt=urn:btmh:1220aa',
      'magnet:',
      '../../etc/passwd\0',
    ].filter((id) => !id.includes('\0')),
  )('refuses "%s" as an image', async (id) => {
    const cwd = await temporaryDirectory();
    for (const [program, args] of [
      ['seeder', ['inspect', id, '--store', 's']],
      ['fetcher', ['fetch', id, '--peer', '127.0.0.1:1', '--dir', 'd']],
    ] as const) {
      expect(await failureOf(program, args, { cwd })).toMatchObject({ exit: 2, code: 'IMAGE_ID' });
    }
    expect(await readdir(cwd)).toEqual([]);
  });
});

/** Bakes what `make` puts into a folder, which must fail, and leave no image. */
async function bakeRefused(make: (tree: string) => Promise<void>): Promise<Failure> {
  const directory = await temporaryDirectory();
  const tree = join(directory, 'tree');
  await writeTree(tree, { 'good.txt': 'good' });
  await make(tree);
  const names = ['--name', 'x', '--version', '1', '--store', join(directory, 'store')];
  const failure = await failureOf('seeder', ['bake', tree, ...names]);
  const left = await readdir(join(directory, 'store')).catch(() => []);
  expect(left).toEqual([]);
  return failure;
}

const manifest = (value: unknown) => (tree: string) =>
  writeTree(tree, {
    '.starling/image.json': typeof value === 'string' ? value : JSON.stringify(value),
  });

describe('seeder bake', () => {
  test.each([
    ['start', { start: 'node server.js' }],
    ['start', { start: [] }],
    ['start.1', { start: ['node', 7] }],
    ['kind', { kind: 'container' }],
    ['strat', { strat: ['node'] }],
    ['health', { health: { type: 'ping' } }],
    ['health', { health: { type: 'http', url: 'http://x/', intervall: 5 } }],
    ['health.intervalMs', { health: { type: 'http', url: 'http://x/', intervalMs: '1s' } }],
    ['stop.signal', { stop: { signal: 'SIGKILL' } }],
    ['needs', { needs: { PORT: { type: 'integer' } } }],
    ['needs', { needs: { '1PORT': { type: 'port' } } }],
    ['needs.PORT.default', { needs: { PORT: { type: 'port', default: 70_000 } } }],
    ['labels.a', { labels: { a: 1 } }],
  ])('refuses a manifest and names %s: %j', async (field, value) => {
    const failure = await bakeRefused(manifest(value));
    expect(failure).toMatchObject({ exit: 2, code: 'IMAGE_MANIFEST' });
    expect(failure.message).toContain('.starling/image.json');
    expect(failure.message).toContain(field);
  });

  test.each(['', 'null', '[]', '{', '{"a":1}}', `{"settings":${'['.repeat(100_000)}`])(
    'refuses a manifest that is no JSON object',
    async (text) => {
      const failure = await bakeRefused(manifest(text));
      expect(failure).toMatchObject({ exit: 2, code: 'IMAGE_MANIFEST' });
    },
  );

  test('refuses settings that nest without end', async () => {
    const settings = `{"settings":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`;
    expect(await bakeRefused(manifest(settings))).toMatchObject({ exit: 2 });
  });

  test.each([
    ['Hello', '1'],
    ['../x', '1'],
    ['x', ''],
    ['x', '1 2'],
  ])('refuses the name "%s" with version "%s"', async (name, version) => {
    const directory = await temporaryDirectory();
    const args = ['bake', directory, '--name', name, '--version', version, '--store'];
    expect(await failureOf('seeder', [...args, join(directory, 's')])).toMatchObject({ exit: 2 });
  });

  test.each([
    ['a pipe', (at: string) => runCommand('mkfifo', [at])],
    ['the absolute path', (at: string) => symlink('/etc/passwd', at)],
    ['leaves the tree', (at: string) => symlink('../../../etc/passwd', at)],
    ['not UTF-8', (at: string) => writeFile(Buffer.from(`${at}\xff`, 'latin1'), 'x')],
    ['a socket', listenAt],
  ])('refuses a tree with what is %s, and names it', async (what, make) => {
    const failure = await bakeRefused(async (tree) => {
      await writeTree(tree, { 'deep/down/other': 'x' });
      await make(join(tree, 'deep/down/odd'));
    });
    expect(failure).toMatchObject({ exit: 2, code: 'IMAGE_TREE' });
    expect(failure.message).toContain('deep/down/odd');
    expect(failure.message).toContain(what);
  });

  test('refuses what is not a directory, or is not there, by its path', async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, 'file');
    await writeFile(path, '');
    for (const at of [path, join(directory, 'nothing')]) {
      const names = ['--name', 'x', '--version', '1', '--store', join(directory, 'store')];
      const failure = await failureOf('seeder', ['bake', at, ...names]);
      expect(failure.exit).toBe(2);
      expect(failure.message).toContain(at);
    }
  });
});

async function listenAt(path: string): Promise<void> {
  const server = createServer().listen(path);
  await once(server, 'listening');
  onTestFinished(
    () =>
      new Promise<void>((resolve) =>
        server.close(() => {
          resolve();
        }),
      ),
  );
}

describe('a tracker', () => {
  const hash = '%11'.repeat(20);
  const good = `info_hash=${hash}&peer_id=${'-'.repeat(20)}&port=6881&uploaded=0&downloaded=0&left=0`;

  test('answers garbage with 400 or a failure reason, and lives', async () => {
    const fleet = await TestFleet.start();
    for (const query of [
      '',
      'info_hash',
      'info_hash=%',
      'info_hash=%zz',
      `info_hash=${hash}`,
      good.replace(hash, '%11'),
      good.replace('port=6881', 'port=70000'),
      good.replace('port=6881', 'port=-1'),
      good.replace('left=0', 'left=many'),
      good.replace('left=0', 'left=-1'),
      `${good}&event=party`,
      `${good}&numwant=${'9'.repeat(400)}x`,
      good.replace('-'.repeat(20), '-'),
      '&'.repeat(5_000),
    ]) {
      const response = await fetch(`${fleet.url}/announce?${query}`);
      expect.soft(response.status, query.slice(0, 80)).toBe(400);
      expect.soft(await response.text(), query.slice(0, 80)).toContain('failure reason');
    }
    expect((await fetch(`${fleet.url}/announce?${good}`)).status).toBe(200);
    expect((await fetch(`${fleet.url}/healthz`)).status).toBe(200);
  });

  test('answers pushes of garbage with a problem, and writes nothing', async () => {
    const fleet = await TestFleet.start();
    await fleet.release(await fleet.bake('1.0.0'));
    const authorization = `Bearer ${(await readFile(fleet.tokenPath, 'utf8')).trim()}`;
    const before = (await readdir(fleet.trackerDirectory, { recursive: true })).sort();
    for (const body of [
      '',
      '{',
      'null',
      '[]',
      '{}',
      '"text"',
      '{"targets":1,"snapshot":2,"timestamp":3}',
      '{"targets":"{}","snapshot":"{}","timestamp":"{}"}',
      '{"targets":"a","snapshot":"b","timestamp":"c","more":"d"}',
      `{"targets":"${'['.repeat(50_000)}","snapshot":"x","timestamp":"x"}`,
      '['.repeat(50_000),
      '{"__proto__":{"targets":"x"},"targets":"x","snapshot":"x","timestamp":"x"}',
    ]) {
      const response = await fetch(`${fleet.url}/v1/releases`, {
        method: 'PUT',
        headers: { authorization, 'content-type': 'application/json' },
        body,
      });
      const shown = body.slice(0, 60);
      expect.soft(response.status, shown).toBe(400);
      expect
        .soft(response.headers.get('content-type'), shown)
        .toMatch(/^application\/problem\+json/);
      const { code, detail } = (await response.json()) as { code: string; detail: string };
      expect.soft([code, detail], shown).not.toContain(undefined);
    }
    expect((await readdir(fleet.trackerDirectory, { recursive: true })).sort()).toEqual(before);
    expect((await fetch(`${fleet.url}/healthz`)).status).toBe(200);
  });

  test('serves no file but those of the repository', async () => {
    const fleet = await TestFleet.start();
    for (const name of ['../token', '..%2ftoken', '%2e%2e/token', 'token', '.', '', '1.key.json']) {
      const response = await fetch(`${fleet.url}/tuf/${name}`);
      expect.soft(response.status, name).toBe(404);
    }
  });

  test('does not start with a token that others can read', async () => {
    const fleet = await TestFleet.start();
    await fleet.tracker.end();
    await chmod(fleet.tokenPath, 0o644);
    const args = ['serve', '--port', '0', '--dir', fleet.trackerDirectory];
    const failure = await failureOf('tracker', args);
    expect(failure).toMatchObject({ exit: 2, code: 'CONFIG_INVALID' });
    expect(failure.message).toContain(fleet.tokenPath);
  });
});

describe('flags', () => {
  test.each([
    ['seeder', ['seed', '--port', '65536']],
    ['seeder', ['seed', '--port', '-1']],
    ['seeder', ['seed', '--port', '80x']],
    ['seeder', ['seed', '--upload-limit', 'fast']],
    ['seeder', ['seed', '--upload-limit', '0Mbit']],
    ['seeder', ['seed', '--upload-limit', '-5MB']],
    ['seeder', ['seed', '--upload-limit', '200']],
    ['seeder', ['keys', 'init', '--expires', 'soon']],
    ['seeder', ['bake', '.', '--deadline', '10']],
    ['tracker', ['serve', '--announce-interval', '0s']],
    ['fetcher', ['run', '--poll', '5 s']],
    ['fetcher', ['run', '--keep', '-1']],
    ['fetcher', ['run', '--keep', '1.5']],
    ['fetcher', ['rollback', 'a/b', '--to', '0']],
    ['seeder', ['seed', '--threads', '-1']],
    ['seeder', ['seed', '--threads', '65']],
    ['fetcher', ['run', '--threads', '1.5']],
    ['fetcher', ['run', '--open-port', '65536']],
  ] as const)('%s %j is used wrongly', async (program, args) => {
    const cwd = await temporaryDirectory();
    const failure = await failureOf(program, args, { cwd });
    expect(failure.exit).toBe(2);
    const named = String(args.find((word) => word.startsWith('--')));
    expect(failure.message).toContain(named);
    expect(await readdir(cwd)).toEqual([]);
  });

  test('a variable that is used wrongly is named', async () => {
    const env = { STARLING_PORT: 'many' };
    const failure = await failureOf('seeder', ['seed'], { env });
    expect(failure).toMatchObject({ exit: 2, code: 'CONFIG_INVALID' });
    expect(failure.message).toContain('STARLING_PORT');
  });

  test.each([
    ['--tracker', 'not a url'],
    ['--tracker', 'ftp://127.0.0.1/'],
    ['--follow', 'no-channel'],
    ['--follow', '../../etc/x'],
    ['--supply', 'PORT'],
  ])('fetcher run %s "%s" is used wrongly', async (flag, value) => {
    const fleet = await TestFleet.start();
    const args = ['run', '--root', fleet.root, '--dir', join(fleet.directory, 'host')];
    const rest = flag === '--tracker' ? [] : ['--tracker', fleet.url];
    const follow = flag === '--follow' ? [] : ['--follow', 'a/b'];
    const how = ['--members', fleet.members, ...rest, ...follow];
    const failure = await failureOf('fetcher', [...args, ...how, flag, value]);
    expect(failure.exit).toBe(2);
    expect(failure.message).toContain(value);
  });
});
