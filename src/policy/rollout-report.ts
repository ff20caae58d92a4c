import type { HostEntry, HostReport } from './rollout-state.ts';

/**
 * What is known of a host after a report. While something that it was told is open, only a report
 * that answers it counts: one that was made before may come after it. Nothing is taken from one that
 * is not newer than the last that said something.
 * @returns the same entry when the report says nothing new
 */
export function afterReport(
  entry: HostEntry,
  report: HostReport,
  release: string,
  nowMs: number,
): HostEntry {
  if (report.number <= entry.number) return entry;
  if (isOpen(entry) && report.epoch < entry.epoch) return entry;
  const change = changeBy(entry, report, release);
  if (change === undefined) return entry;
  const next = { ...entry, ...change, number: report.number };
  if (next.phase === entry.phase && next.failure === entry.failure) return entry;
  const isOneMove = next.phase === 'activating' && isOpen(entry);
  return { ...next, sinceMs: isOneMove || next.phase === entry.phase ? entry.sinceMs : nowMs };
}

/** Whether what a host was told is not answered yet. */
const isOpen = ({ phase }: HostEntry): boolean =>
  phase === 'permitted' || phase === 'recalled' || phase === 'goingBack';

type Change = Partial<Pick<HostEntry, 'phase' | 'failure'>>;

function changeBy(entry: HostEntry, report: HostReport, release: string): Change | undefined {
  const isOn = report.release === release;
  if (entry.phase === 'goingBack') return afterGoingBack(entry, report, isOn);
  if (isOn && report.state === 'healthy') {
    // One that could not be sent back is not to be sent back again.
    return { phase: 'healthy', failure: entry.failure === 'stays' ? 'stays' : undefined };
  }
  // What it says of a move before this one says nothing of this one.
  if (isOpen(entry) && report.acted < entry.permit) {
    return entry.phase === 'recalled' ? { phase: 'waiting' } : undefined;
  }
  if (isOn && report.state === 'activating') return { phase: 'activating' };
  const isOver = entry.phase === 'waiting' || entry.phase === 'back';
  if (isOver || report.state === 'activating') return undefined;
  if (isOn && report.state === 'failed') {
    // One that is to be tried again has not failed again by being as it was.
    return { phase: 'failed', failure: entry.phase === 'failed' ? entry.failure : 'failed' };
  }
  return { phase: 'back', failure: 'wentBack' };
}

function afterGoingBack(entry: HostEntry, report: HostReport, isOn: boolean): Change | undefined {
  if (report.acted < entry.epoch || report.state === 'activating') return undefined;
  if (report.state === 'failed') return undefined;
  if (!isOn) return { phase: 'back', failure: undefined };
  return { phase: 'healthy', failure: 'stays' };
}
