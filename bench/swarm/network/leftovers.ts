import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { removeTree } from '../../../src/image/index.ts';
import { runBatch } from './ip-commands.ts';

const folder = '/run/netns';
const namePattern = /^starling-swarm-(\d+)-/;

let networks = 0;

/** Starts the names of what belongs to this process, and to one network of it. */
export const ownPrefix = (): string => `starling-swarm-${process.pid}-${++networks}`;

/** Whether something has the name of a bench whose process is gone. */
export function isLeftover(name: string, isRunning: (pid: number) => boolean): boolean {
  const pid = namePattern.exec(name)?.[1];
  return pid !== undefined && !isRunning(Number(pid));
}

const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`);

const leftoversIn = async (directory: string): Promise<string[]> => {
  const names = await readdir(directory).catch((): string[] => []);
  return names.filter((name) => isLeftover(name, isRunning));
};

/** Removes what benches left that were killed: processes, namespaces, and folders in `directory`. */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const namespace of await leftoversIn(folder)) {
    await endProcesses(namespace);
    await runBatch({ program: 'ip', lines: [`netns del ${namespace}`] });
  }
  for (const name of await leftoversIn(directory)) await removeTree(join(directory, name));
}

/** Processes would keep a namespace alive that has no name any more. */
async function endProcesses(namespace: string): Promise<void> {
  for (;;) {
    const { stdout } = await promisify(execFile)('ip', ['netns', 'pids', namespace]);
    const pids = stdout.split('\n').filter((line) => line !== '');
    if (pids.length === 0) return;
    for (const pid of pids.map(Number)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    await delay(20);
  }
}
