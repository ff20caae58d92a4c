import { readFileSync } from 'node:fs';

/** The unit of times in /proc: sysconf(_SC_CLK_TCK), which is 100 on every Linux. */
const ticksPerSecond = 100;

/**
 * Reads the CPU time in a line of /proc/PID/stat (proc(5)): user and system, of the process with all
 * its threads and of the children that it waited for.
 */
export function cpuSecondsOfStat(stat: string): number {
  // The second field is the program's name in brackets, and may itself hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].map((index) => Number(fields[index]));
  const sum = ticks.reduce((total, value) => total + value, 0);
  if (!Number.isFinite(sum)) throw new RangeError(`"${stat}" is no line of /proc/PID/stat`);
  return sum / ticksPerSecond;
}

/**
 * The CPU time that a process and its descendants have used so far, to within 10 ms for each.
 * @throws when the process is gone
 */
export function cpuSecondsOfTree(pid: number): number {
  let seconds = cpuSecondsOfStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  for (const child of childrenOf(pid)) {
    try {
      seconds += cpuSecondsOfTree(child);
    } catch (error) {
      // It ended meanwhile, and its parent's figure has it.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return seconds;
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** The resident set of a process alone, in bytes. @throws when the process is gone */
export function residentBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kibibytes === undefined) throw new RangeError(`process ${pid} has no resident set`);
  return Number(kibibytes) * 1_024;
}
