import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultHost } from './fleet.ts';
import type { KillableProgram, ProgramLine } from './killable-program.ts';

/** When a fetcher is killed: so long after a line of its output. */
export interface Moment {
  readonly what: string;
  readonly isReached: (lines: readonly ProgramLine[]) => boolean;
  readonly delayMs: number;
}

const steps = ['written', 'stopping', 'switched', 'healthy', 'active'] as const;

/** A moment among the first lines: while it starts, checks what is here, or fetches. */
export function earlyMoment(random: () => number): Moment {
  const count = Math.floor(random() * 12);
  const delayMs = Math.floor(random() * 150);
  return {
    what: `${delayMs} ms after line ${count}`,
    isReached: (lines) => lines.length >= count,
    delayMs,
  };
}

/** A moment from the last piece on: while it completes, activates, or tidies up. */
export function lateMoment(random: () => number): Moment {
  const delayMs = Math.floor(random() * 40);
  const step = steps[Math.floor(random() * (steps.length + 2))];
  const isReached = (line: ProgramLine) => {
    if (step === undefined) return (line.swarm as { state?: string })?.state === 'completing';
    if (step === 'active') return line.event === 'active';
    return (line.step as { type?: string } | undefined)?.type === step;
  };
  return {
    what: `${delayMs} ms after "${step ?? 'completing'}"`,
    isReached: (lines) => lines.some(isReached),
    delayMs,
  };
}

/** Waits for a moment in the life of a fetcher, or until it has nothing left to do. */
export async function untilMoment(
  { isReached, delayMs }: Moment,
  fetcher: KillableProgram,
  host: FaultHost,
  version: string,
): Promise<void> {
  const settled = new AbortController();
  const { signal } = settled;
  const reached = fetcher.until('it was killed', (lines) => (isReached(lines) ? true : undefined), {
    signal,
  });
  const done = host.untilActive(version, { signal });
  try {
    await Promise.race([reached, done]);
  } finally {
    settled.abort();
    await Promise.allSettled([reached, done]);
  }
  // Not to let time pass: the fault happens at a random time.
  if (delayMs > 0) await sleep(delayMs);
}
