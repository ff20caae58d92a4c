import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { missingNetwork } from '../../bench/swarm/network/index.ts';
import { runSwarm } from '../../bench/swarm/swarm.ts';
import { eventually } from '../tools/eventually.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';

const missing = await missingNetwork({ signal: AbortSignal.timeout(20_000) });

const config = (directory: string) => ({
  scenarios: [{ name: 'equal-3', title: '3 hosts', hosts: 3, rateFactor: 1 }],
  peers: ['starling'],
  rounds: 1,
  sizeBytes: 2 << 20,
  rateBytesPerSecond: 5e6,
  directory,
  seed: 'a test',
});

const ownNamespaces = async (): Promise<string[]> => {
  const names = await readdir('/run/netns').catch((): string[] => []);
  return names.filter((name) => name.startsWith(`starling-swarm-${process.pid}-`));
};

/** Whether a program runs on the last of three hosts. */
async function lastHostRuns(): Promise<true | undefined> {
  const last = (await ownNamespaces()).find((name) => name.endsWith('-host-3'));
  if (last === undefined) return undefined;
  const pids = execFileSync('ip', ['netns', 'pids', last], { encoding: 'utf8' });
  return pids === '' ? undefined : true;
}

/** The commands of processes that were told of a folder. */
async function processesOf(directory: string): Promise<string[]> {
  const commands: string[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const command = await readFile(join('/proc', name, 'cmdline'), 'utf8').catch(() => '');
    if (command.includes(directory)) commands.push(command.replaceAll('\0', ' '));
  }
  return commands;
}

async function expectNothingLeft(directory: string): Promise<void> {
  expect(await ownNamespaces()).toEqual([]);
  expect(await processesOf(directory)).toEqual([]);
  expect(await readdir(directory)).toEqual([]);
}

describe.skipIf(missing !== undefined)(
  `a swarm on shaped links${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    test('brings the image to all hosts, and leaves nothing', async () => {
      const directory = await temporaryDirectory();
      const { signal } = new AbortController();
      const result = await runSwarm(config(directory), { signal, say: () => undefined });
      expect(result.failures).toEqual([]);
      const [run] = result.runs;
      expect(run?.finishes[0]?.map(({ name }) => name)).toEqual(['host-1', 'host-2', 'host-3']);
      // The links were shaped, and what went over them was counted.
      expect(run?.lastOverBound).toBeGreaterThan(0.9);
      expect(run?.seedCopies).toBeGreaterThan(1);
      await expectNothingLeft(directory);
    });

    test('leaves nothing when it is ended in the middle', async () => {
      const directory = await temporaryDirectory();
      const ending = new AbortController();
      const running = runSwarm(config(directory), { signal: ending.signal, say: () => undefined });
      running.catch(() => undefined);
      try {
        await eventually('a program on the last host', lastHostRuns);
      } finally {
        ending.abort(new Error('enough'));
        await expect(running).rejects.toThrow('enough');
      }
      await expectNothingLeft(directory);
    });
  },
);
