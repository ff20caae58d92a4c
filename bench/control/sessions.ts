import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { monotonicMs, type MeasuredProcess, type Place } from '../process/index.ts';
import { endpointName } from './application.ts';
import { allTold, lastTold, summaryOf, type ChangeTimes, type Summary } from './change-times.ts';
import type { ControlBenchConfig } from './config.ts';
import { startTracker, type RunningTracker } from './running-tracker.ts';

/** What a process of simulated hosts is told. */
export interface SessionsOrder {
  readonly app: string;
  /** A multiaddr with the tracker's peer id. */
  readonly tracker: string;
  readonly fleetKeyPath: string;
  readonly sessions: number;
  /** How many are opened at a time: a tracker takes few that it does not know yet from one address. */
  readonly atOnce: number;
}

/** What many sessions cost one tracker. */
export interface SessionFigures {
  readonly sessions: number;
  /** In how many processes they were: these share the processors with the tracker. */
  readonly processes: number;
  readonly changes: number;
  /** Until a host of them had the message. */
  readonly told: Summary;
  /** Until the last one had it. */
  readonly lastHost: Summary;
  readonly answered: Summary;
  readonly openedPerSecond: number;
  readonly trackerCpuMsPerOpening: number;
  readonly trackerCpuMsPerChange: number;
  /** How much of a core heartbeats take, of all sessions. */
  readonly trackerIdleShare: number;
  readonly trackerBytesPerSession: number;
  readonly trackerBytes: number;
}

const processes = 2;
const atOnce = 24;
const idleMs = 12_000;
const app = 'web';
const openSchema = z.object({ event: z.literal('open') });
const toldSchema = (revision: number) =>
  z.object({
    event: z.literal('told'),
    revision: z.literal(revision),
    atMs: z.array(z.number()),
  });

/** Opens sessions with a tracker of its own, and changes a value. @throws when one does not arrive */
export async function measureSessions(
  place: Place,
  config: ControlBenchConfig,
  say: (text: string) => void,
): Promise<SessionFigures> {
  const { sessions } = config;
  const tracker = await startTracker(place);
  await tracker.fleet.setSetting({ app, name: endpointName }, 'db-first:5432');
  say(`${sessions} sessions are opened, in ${processes} processes`);
  const bytesBefore = await tracker.process.residentBytes();
  const cpuBefore = await tracker.process.cpuSeconds();
  const beganMs = monotonicMs();
  const children = startChildren(place, tracker, sessions);
  await Promise.all(children.map((child) => child.line(openSchema, 'that all sessions are open')));
  const openSeconds = (monotonicMs() - beganMs) / 1_000;
  const cpuOpen = await tracker.process.cpuSeconds();
  await delay(idleMs, undefined, place);
  const cpuIdle = await tracker.process.cpuSeconds();
  say(`${config.sessionChanges} changes are made`);
  const changes: ChangeTimes[] = [];
  for (let change = 0; change < config.sessionChanges; change++) {
    changes.push(await measureChange(tracker, children, `db-${change}:5432`));
    await delay(config.pauseMs, undefined, place);
  }
  const cpuChanged = await tracker.process.cpuSeconds();
  const trackerBytes = await tracker.process.residentBytes();
  return {
    ...{ sessions, processes, changes: changes.length },
    told: summaryOf(allTold(changes)),
    lastHost: summaryOf(lastTold(changes)),
    answered: summaryOf(changes.map(({ answeredMs }) => answeredMs)),
    openedPerSecond: sessions / openSeconds,
    trackerCpuMsPerOpening: ((cpuOpen - cpuBefore) * 1_000) / sessions,
    trackerCpuMsPerChange: ((cpuChanged - cpuIdle) * 1_000) / changes.length,
    trackerIdleShare: ((cpuIdle - cpuOpen) * 1_000) / idleMs,
    trackerBytesPerSession: (trackerBytes - bytesBefore) / sessions,
    trackerBytes,
  };
}

function startChildren(
  place: Place,
  tracker: RunningTracker,
  sessions: number,
): readonly MeasuredProcess[] {
  const child = join(import.meta.dirname, 'sessions-child.ts');
  return Array.from({ length: processes }, (_, index) => {
    const order: SessionsOrder = {
      ...{ app, atOnce, tracker: tracker.control, fleetKeyPath: tracker.fleetKeyPath },
      sessions: Math.floor((sessions + index) / processes),
    };
    return place.start(`sessions-${index + 1}`, [process.execPath, child, JSON.stringify(order)]);
  });
}

async function measureChange(
  tracker: RunningTracker,
  children: readonly MeasuredProcess[],
  value: string,
): Promise<ChangeTimes> {
  const sentMs = monotonicMs();
  const revision = await tracker.fleet.setSetting({ app, name: endpointName }, value);
  const answeredMs = monotonicMs() - sentMs;
  const said = await Promise.all(
    children.map((child) => child.line(toldSchema(revision), `that all have ${value}`)),
  );
  const toldMs = said.flatMap((line) => line.value.atMs).map((atMs) => atMs - sentMs);
  return { answeredMs, toldMs };
}
