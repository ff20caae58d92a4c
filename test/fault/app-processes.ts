import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../tools/eventually.ts';

/** The name of the run that the record of a killed fetcher holds, if it holds one. */
export async function recordedRun(channel: string): Promise<string | undefined> {
  const text = await readFile(join(channel, 'process.json'), 'utf8').catch(() => '{}');
  return (JSON.parse(text) as { run?: string }).run;
}

/**
 * The processes of a host's apps: those that work in its directory, and the guards of a run.
 * @returns a line for each, for messages
 */
export async function appProcesses(directory: string, run: string | undefined): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const place = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const guards = run !== undefined && command.includes(run);
    if (!guards && !place.startsWith(`${directory}/`)) continue;
    found.push(`${pid} ${command.replaceAll('\0', ' ')}`);
  }
  return found;
}

/** Waits until no process of a host's apps is left. */
export async function untilNoApps(directory: string, run: string | undefined): Promise<void> {
  let left: string[] = [];
  await eventually(
    'the apps of a killed fetcher have ended',
    async () => {
      left = await appProcesses(directory, run);
      return left.length === 0 ? true : undefined;
    },
    { deadlineMs: 30_000 },
  ).catch((cause: unknown) => {
    throw new Error(`processes outlive their fetcher:\n${left.join('\n')}`, { cause });
  });
}
