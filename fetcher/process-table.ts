import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { errorCode } from './atomic-file.ts';

/**
 * What tells a started process from every other, also after its pid was given away again: pids are
 * reused, but not with the same start time in the same boot. The run is a random name that all
 * processes of one start carry in their environment, also those that left the process group.
 */
export const processIdentitySchema = z.strictObject({
  /** Also the id of its process group and session. */
  pid: z.int().min(2),
  /** Clock ticks since boot: field 22 of /proc/PID/stat. */
  startTime: z.int().min(0),
  bootId: z.string().min(1).max(64),
  run: z.uuid(),
});

export type ProcessIdentity = z.output<typeof processIdentitySchema>;

/** The variable that carries the run. */
export const runVariable = 'STARLING_RUN';

export interface ProcessStat {
  readonly pid: number;
  readonly state: string;
  readonly group: number;
  readonly session: number;
  readonly startTime: number;
}

/** Field numbers of proc(5), counted from the one after the name, which is field 3. */
const field = { state: 0, group: 2, session: 3, startTime: 19 } as const;

/** What the kernel says of a process; undefined when there is none. Source: proc(5). */
export async function readProcessStat(pid: number): Promise<ProcessStat | undefined> {
  const text = await readProcFile(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name is in parentheses and may hold anything, so what follows the last one counts.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    state: fields[field.state] ?? '',
    group: Number(fields[field.group]),
    session: Number(fields[field.session]),
    startTime: Number(fields[field.startTime]),
  };
}

/** The random id of this boot: a record of another boot names no living process. */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

export interface EndOptions {
  readonly signal: NodeJS.Signals;
  readonly graceMs: number;
  /**
   * Whether the process group is surely still that of the run: true for who saw the process run
   * until now, false for who knows it from a record alone.
   */
  readonly trustGroup: boolean;
}

/**
 * Ends all processes of a run: the signal, time to obey it, then SIGKILL.
 * @returns the pids that even SIGKILL did not end within a few seconds: they wait for a device.
 */
export async function endProcesses(
  identity: ProcessIdentity,
  options: EndOptions,
): Promise<number[]> {
  let members = await membersOf(identity, options.trustGroup);
  if (members.length === 0) return [];
  sendSignal(identity, members, options.signal);
  members = await untilGone(identity, options.trustGroup, options.graceMs);
  const deadline = performance.now() + 5_000;
  while (members.length > 0 && performance.now() < deadline) {
    // Again and again, as one of them may have forked in between.
    sendSignal(identity, members, 'SIGKILL');
    members = await untilGone(identity, options.trustGroup, 200);
  }
  return members.map((member) => member.pid);
}

/** The living processes of a run: its group and session, and all that carry its name. */
export async function membersOf(
  identity: ProcessIdentity,
  trustGroup: boolean,
): Promise<ProcessStat[]> {
  if ((await readBootId()) !== identity.bootId) return [];
  const leader = await readProcessStat(identity.pid);
  const ownsGroup = leader ? leader.startTime === identity.startTime : trustGroup;
  const marker = `${runVariable}=${identity.run}`;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const members: ProcessStat[] = [];
  const batch = 64;
  for (let start = 0; start < pids.length; start += batch) {
    const found = pids.slice(start, start + batch).map(async (pid) => {
      const stat = await readProcessStat(pid);
      if (!stat || stat.state === 'Z' || stat.state === 'X') return;
      const inGroup = stat.group === identity.pid || stat.session === identity.pid;
      if ((ownsGroup && inGroup) || (await carries(pid, marker))) members.push(stat);
    });
    await Promise.all(found);
  }
  return members;
}

async function carries(pid: number, marker: string): Promise<boolean> {
  const environment = await readProcFile(`/proc/${pid}/environ`);
  return environment?.split('\0').includes(marker) ?? false;
}

async function untilGone(
  identity: ProcessIdentity,
  trustGroup: boolean,
  timeoutMs: number,
): Promise<ProcessStat[]> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 5; ; pauseMs = Math.min(250, pauseMs * 2)) {
    const members = await membersOf(identity, trustGroup);
    const leftMs = deadline - performance.now();
    if (members.length === 0 || leftMs <= 0) return members;
    await sleep(Math.min(pauseMs, leftMs));
  }
}

function sendSignal(
  identity: ProcessIdentity,
  members: readonly ProcessStat[],
  signal: NodeJS.Signals,
): void {
  // The group in one call, so that no fork slips through; each process gets the signal once.
  const inGroup = members.some((member) => member.group === identity.pid);
  if (inGroup) kill(-identity.pid, signal);
  for (const { pid, group } of members) if (group !== identity.pid) kill(pid, signal);
}

/**
 * Sends a signal. That the process has just ended is no fault, and one that took another user's
 * identity is reported by who waits for its end.
 */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

/** A process may end while it is read, and may be one that this user may not look into. */
async function readProcFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}
