import { expect, test } from 'vitest';
import type { BenchTracker } from '../../../bench/tracker/bench-tracker.ts';
import { toResult, type Contender } from '../../../bench/tracker/result.ts';
import { resultChart, resultText } from '../../../bench/tracker/show-result.ts';
import type { TrackerFigures } from '../../../bench/tracker/run-once.ts';

const machine = { cores: 2, cpu: 'a CPU', node: 'v24.0.0' };
const trackerOf = (name: string, ours: boolean): BenchTracker => ({
  name,
  ours,
  ways: [],
  missing: () => undefined,
  start: () => Promise.reject(new Error('it is not started here')),
});
const ours = trackerOf('starling', true);
const theirs = trackerOf('other', false);

const figures = (announcesPerSecond: number, busy: number): TrackerFigures => ({
  announcesPerSecond,
  busy,
  announcesPerCpuSecond: announcesPerSecond / busy,
  p99Ms: 1,
  loadBusy: 1,
  bytesPerAnswer: 300,
});

const contender = (
  tracker: BenchTracker,
  way: Contender['way'],
  ...rounds: readonly TrackerFigures[]
): Contender => ({ tracker, way, rounds: new Map(rounds.entries()) });

const result = toResult(
  [
    contender(ours, 'http', figures(1_000, 1), figures(1_200, 1), figures(900, 0.9)),
    contender(ours, 'http-kept', figures(4_000, 1)),
    contender(ours, 'udp'),
    contender(theirs, 'http', figures(1_000, 0.5), figures(1_000, 0.5), figures(1_000, 0.4)),
    contender(theirs, 'udp', figures(9_000, 1)),
  ],
  { residentBytesPerPeer: 800.4, heapBytesPerPeer: 250 },
  { machine, skipped: [{ name: 'third', reason: 'it is not installed' }], failures: [] },
);

test('ratios are of what a core does, by round; a way that another lacks is over the way it has', () => {
  expect(result.ratios).toEqual({ 'http/other': 0.5, 'http-kept/other': 2 });
  expect(result.measuredRatios).toEqual({ 'http/other': 1, 'http-kept/other': 4 });
  expect(result.ratioSpread['http/other']).toEqual({ min: 0.4, max: 0.6 });
});

test('what gave no figures is left out, and all else is told', () => {
  expect(result.runs.map(({ name, way, rounds }) => [name, way, rounds])).toEqual([
    ['starling', 'http', 3],
    ['starling', 'http-kept', 1],
    ['other', 'http', 3],
    ['other', 'udp', 1],
  ]);
  expect(result.bytesPerPeer).toBe(800);
  const text = resultText(result);
  expect(text).toContain('skipped: third: it is not installed');
  expect(text).toContain('http-kept/other');
  expect(resultChart(result)).toMatch(/^<svg/);
});
