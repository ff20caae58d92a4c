import { expect, test } from 'vitest';
import { ImageError } from '../../../src/errors.ts';
import {
  checkManifest,
  maxManifestBytes,
  parseManifest,
  serializeManifest,
} from '../../../src/image/manifest.ts';

const least = { name: 'web', version: '1.0.0' };

/** The faults that an error names, each with its field first. */
async function faultsOf(value: unknown): Promise<string[]> {
  try {
    await checkManifest(value);
  } catch (error) {
    expect(error).toBeInstanceOf(ImageError);
    return (error as ImageError).evidence.faults as string[];
  }
  return [];
}

test('a name and a version are enough', async () => {
  expect(await checkManifest(least)).toEqual({ ...least, kind: 'tree' });
});

test('defaults are filled in', async () => {
  const health = { type: 'http', url: 'http://127.0.0.1:${PORT}/' };
  expect(await checkManifest({ ...least, health, stop: {} })).toMatchObject({
    health: { intervalMs: 1_000, timeoutMs: 1_000, successes: 1, deadlineMs: 30_000 },
    stop: { graceMs: 10_000 },
  });
});

test.each<[string, object]>([
  ['name', { name: 7 }],
  ['name', { name: 'Web' }],
  ['name', { name: '../web' }],
  ['name', { name: '' }],
  ['name', { name: 'a'.repeat(101) }],
  ['version', { version: 1 }],
  ['version', { version: 'v 1' }],
  ['kind', { kind: 'zip' }],
  ['start', { start: 'run.sh' }],
  ['start', { start: [] }],
  ['start.1', { start: ['run.sh', 5] }],
  ['health.type', { health: { type: 'ping' } }],
  ['health.url', { health: { type: 'http' } }],
  ['health.port', { health: { type: 'tcp', port: 0 } }],
  ['health.command', { health: { type: 'exec', command: 'true' } }],
  ['health.intervalMs', { health: { type: 'http', url: 'x', intervalMs: 0 } }],
  ['health.timeoutMs', { health: { type: 'http', url: 'x', timeoutMs: 1.5 } }],
  ['health.successes', { health: { type: 'http', url: 'x', successes: '2' } }],
  ['stop.signal', { stop: { signal: 'SIGKILL' } }],
  ['stop.graceMs', { stop: { graceMs: -1 } }],
  ['settings', { settings: [] }],
  ['needs.1X', { needs: { '1X': { type: 'port' } } }],
  ['needs.PORT.type', { needs: { PORT: { type: 'socket' } } }],
  ['needs.PORT.default', { needs: { PORT: { type: 'port', default: '80' } } }],
  ['labels.team', { labels: { team: 1 } }],
  ['emptyDirectories.0', { emptyDirectories: ['../x'] }],
  ['emptyDirectories.0', { emptyDirectories: ['/x'] }],
  ['emptyDirectories.0', { emptyDirectories: ['a//x'] }],
  ['emptyDirectories.0', { emptyDirectories: ['a/./x'] }],
  ['emptyDirectories.0', { emptyDirectories: ['a\0x'] }],
  ['emptyDirectories.0', { emptyDirectories: ['é'.repeat(128)] }],
])('what is wrong with %s is named: %j', async (field, wrong) => {
  const faults = await faultsOf({ ...least, ...wrong });
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatch(new RegExp(`^${field.replaceAll('.', '\\.')}: `));
});

test.each<[string, object]>([
  ['strat', { strat: ['run.sh'] }],
  ['retries', { health: { type: 'http', url: 'x', retries: 3 } }],
  ['kill', { stop: { kill: true } }],
  ['required', { needs: { PORT: { type: 'port', required: true } } }],
])('the unknown key "%s" is refused by its name: %j', async (key, wrong) => {
  expect(await faultsOf({ ...least, ...wrong })).toEqual([expect.stringContaining(`"${key}"`)]);
});

test('all that is wrong is named at once', async () => {
  expect(await faultsOf({ version: 1, start: 'x' })).toHaveLength(3);
});

test.each([
  ['nothing', ''],
  ['a text', '"web"'],
  ['a list', '[]'],
  ['null', 'null'],
  ['half of an object', '{"name":'],
  ['a comment', '{} // web'],
])('%s is not a manifest', async (_, text) => {
  await expect(parseManifest(Buffer.from(text))).rejects.toThrow('is not a JSON object');
});

test('text that is not UTF-8 is not a manifest', async () => {
  const bytes = Buffer.from('{"name":"web","version":"\xff"}', 'latin1');
  await expect(parseManifest(bytes)).rejects.toThrow('is not a JSON object');
});

test('what is longer than allowed is not read', async () => {
  const bytes = Buffer.from(`{"name":"web","version":"1"${' '.repeat(maxManifestBytes)}}`);
  await expect(parseManifest(bytes)).rejects.toThrow('are allowed');
});

test('settings that nest without end are refused, not followed', async () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  const bytes = Buffer.from(`{"name":"web","version":"1","settings":{"deep":${deep}}}`);
  await expect(parseManifest(bytes)).rejects.toThrow(ImageError);
  await expect(parseManifest(bytes)).rejects.toThrow('nests deeper');
});

test('the bytes of a manifest do not depend on the order of its keys', async () => {
  const one = await checkManifest({
    ...least,
    labels: { b: '2', a: '1' },
    settings: { x: { d: 1, c: 2 } },
  });
  const other = await checkManifest({
    settings: { x: { c: 2, d: 1 } },
    labels: { a: '1', b: '2' },
    version: '1.0.0',
    name: 'web',
  });
  expect(Buffer.from(serializeManifest(one)).equals(serializeManifest(other))).toBe(true);
  expect(await parseManifest(serializeManifest(one))).toEqual(one);
});
