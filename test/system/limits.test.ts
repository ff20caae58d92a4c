import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { seededBytes } from '../tools/seeded-random.ts';
import { writeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { failureOf, resultOf, runProgram, type ProgramName } from './ended-program.ts';
import { RunningProgram } from './running-program.ts';
import { freePort } from './test-fleet.ts';

const sizeBytes = 4_000_000;
const none = { uploadBytesPerSecond: null, downloadBytesPerSecond: null };

function start(program: ProgramName, args: readonly string[]): RunningProgram {
  const running = new RunningProgram(program, args);
  onTestFinished(async () => {
    await running.end();
  });
  return running;
}

/** A fetcher that follows a release which it receives at 50 kB/s: for more than a minute. */
async function slowFetcher() {
  const directory = await temporaryDirectory();
  const at = (name: string) => join(directory, name);
  const keys = ['--keys', at('keys')];
  await resultOf('seeder', ['keys', 'init', ...keys]);
  const root = ['--root', join(at('keys'), 'root.json')];
  const port = String(await freePort());
  const tracker = start('tracker', ['serve', '--port', port, '--dir', at('tracker'), ...root]);
  const { url, tokenPath } = await tracker.untilEvent('listening');
  const from = ['--tracker', String(url)];

  await writeTree(at('tree'), { 'payload.bin': seededBytes(1, sizeBytes) });
  const store = ['--store', at('store')];
  const names = ['--name', 'hello', '--version', '1'];
  const { id } = await resultOf('seeder', ['bake', at('tree'), ...names, ...store]);
  const imageId = String(id);
  const peers = ['--open', '--host', '127.0.0.1', ...from];
  await start('seeder', ['seed', ...store, ...peers]).untilEvent('seeding');
  const token = ['--token-file', String(tokenPath)];
  await resultOf('seeder', [
    ...['release', 'hello', 'stable', imageId, ...store, ...keys, ...from, ...token],
  ]);

  const dir = ['--dir', at('fetcher')];
  const slowly = ['--download-limit', '50kB'];
  const fetcher = start('fetcher', [
    ...['run', ...dir, ...root, ...peers, '--follow', 'hello/stable', ...slowly],
  ]);
  const limits = (...args: string[]) => resultOf('fetcher', ['limits', ...args, ...dir]);
  return { imageId, fetcher, dir, limits };
}

test('limits and priority are changed while an image is fetched, and hold at once', async () => {
  const { imageId, fetcher, dir, limits } = await slowFetcher();
  await fetcher.until(
    'fetching',
    ({ swarm }) => (swarm as { state?: string })?.state === 'fetching',
  );
  const swarm = { imageId, name: 'hello', ...none, priority: 'normal' };
  const first = { uploadBytesPerSecond: null, downloadBytesPerSecond: 50_000, swarms: [swarm] };
  expect(await limits()).toEqual(first);

  const own = { ...swarm, uploadBytesPerSecond: 1e6, priority: 'high' };
  expect(await limits(imageId, '--priority', 'high', '--upload-limit', '1MB')).toEqual(own);
  expect(await limits(imageId)).toEqual(own);
  const { swarms } = await resultOf('fetcher', ['status', ...dir]);
  expect(swarms).toMatchObject([
    { imageId, limits: { ...none, uploadBytesPerSecond: 1e6, priority: 'high' } },
  ]);
  const { stdout } = await runProgram('fetcher', ['status', ...dir]);
  expect(stdout).toContain('priority high, upload at most 977 KiB/s');

  const unlimited = { ...none, swarms: [own] };
  expect(fetcher.events.some(({ event }) => event === 'fetched')).toBe(false);
  const changedMs = performance.now();
  expect(await limits('--download-limit', 'unlimited')).toEqual(unlimited);
  await fetcher.untilEvent('fetched');
  // By the limit from before it would have taken 80 s.
  expect(performance.now() - changedMs).toBeLessThan(20_000);
});

test('limits that make no sense, or are nobody’s, are bad input', async () => {
  const dir = ['--dir', await temporaryDirectory()];
  const failure = (...args: string[]) => failureOf('fetcher', ['limits', ...args, ...dir]);
  const invalid = { exit: 2, code: 'CONFIG_INVALID' };
  expect(await failure('--priority', 'high')).toMatchObject(invalid);
  expect(await failure('--upload-limit', 'fast')).toMatchObject(invalid);
  expect(await failure('b', '--priority', 'urgent')).toMatchObject(invalid);
  expect(await failure()).toMatchObject({ exit: 2, code: 'CONFIG_MISSING' });
});
