import { describe, expect, test } from 'vitest';
import { toFigures, type Figures } from '../../../../bench/swarm/figures.ts';
import type { LinkCount, NetworkCounts } from '../../../../bench/swarm/network/index.ts';
import { payloadShare } from '../../../../bench/swarm/payload-rate.ts';
import { toResult, type ScenarioRounds } from '../../../../bench/swarm/result.ts';
import type { HostEnd } from '../../../../bench/swarm/running-swarm.ts';
import { resultChart, resultText } from '../../../../bench/swarm/show-result.ts';

const imageBytes = 1e6;
const count = (copies: number, drops = 0): LinkCount => ({
  bytes: (copies * imageBytes) / payloadShare,
  packets: 100,
  drops,
});

const counts = (seed: number, rack: number): NetworkCounts => ({
  machines: new Map([['seed', { up: count(seed), down: count(0) }]]),
  racks: new Map([['rack-1', { in: count(rack), out: count(rack / 2) }]]),
});

const host = (name: string, kind: { slow?: boolean; late?: boolean } = {}) => ({
  name,
  rateBytesPerSecond: 1e6,
  slow: kind.slow ?? false,
  late: kind.late ?? false,
});

const facts = {
  boundSeconds: 2,
  imageBytes,
  before: counts(1, 1),
  after: counts(2.5, 4),
  cpuSeconds: 4,
  wallSeconds: 8,
  cores: 2,
};

describe('the figures of a run', () => {
  test('are times, times of the bound, and copies since time zero', () => {
    const hosts = ['a', 'b', 'c'].map((name) => host(name));
    const ends = [3, 4, 6].map((wholeSeconds, index) => ({
      name: hosts[index]?.name ?? '',
      wholeSeconds,
    }));
    const figures = toFigures({ ...facts, hosts, ends });
    expect(figures).toMatchObject({ medianSeconds: 4, lastSeconds: 6 });
    expect(figures).toMatchObject({ medianOverBound: 2, lastOverBound: 3, cpuShare: 0.25 });
    expect(figures.seedCopies).toBeCloseTo(1.5, 9);
    expect(figures.uplinkInCopies).toBeCloseTo(3, 9);
    expect(figures.uplinkOutCopies).toBeCloseTo(1.5, 9);
  });

  test('are of the others where one host is slow, and its own is apart', () => {
    const hosts = [host('a'), host('b', { slow: true })];
    const ends = [
      { name: 'a', wholeSeconds: 3 },
      { name: 'b', wholeSeconds: 9 },
    ];
    const figures = toFigures({ ...facts, hosts, ends });
    expect(figures).toMatchObject({ lastSeconds: 3, slowHostSeconds: 9 });
  });

  test('tell how long a late host took from when it came', () => {
    const hosts = [host('a'), host('b', { late: true })];
    const ends = [
      { name: 'a', wholeSeconds: 3 },
      { name: 'b', wholeSeconds: 5, cameSeconds: 1.5 },
    ];
    const figures = toFigures({ ...facts, hosts, ends });
    expect(figures).toMatchObject({ lastSeconds: 5, lateHostSeconds: 3.5 });
  });

  test('tell of hosts that came again how much came to them in all, and what they had lost', () => {
    const hosts = ['a', 'b', 'c'].map((name) => host(name));
    const again = { wholeSeconds: 3, cameSeconds: 1 };
    const ends: HostEnd[] = [
      { name: 'a', ...again, receivedCopies: 1.01, lostCopies: 0 },
      { name: 'b', ...again, receivedCopies: 1.04, lostCopies: 0.01 },
      { name: 'c', wholeSeconds: 3, receivedCopies: 1.1 },
    ];
    const figures = toFigures({ ...facts, hosts, ends });
    expect(figures).toMatchObject({ receivedCopies: 1.04, lostCopies: 0.01 });
  });
});

const figures = (lastOverBound: number): Figures => ({
  medianSeconds: 10,
  lastSeconds: lastOverBound * 10,
  medianOverBound: 1,
  lastOverBound,
  seedCopies: 1.2,
  cpuShare: 0.5,
  droppedShare: 0.001,
});

const rounds = (...each: number[]) =>
  new Map(
    each.map((over, round) => [
      round,
      { figures: figures(over), hosts: [{ name: 'host-1', wholeSeconds: over * 10 }] },
    ]),
  );

const found: ScenarioRounds[] = [
  {
    scenario: 'equal-16',
    boundSeconds: 10,
    contenders: [
      { peer: { name: 'starling', ours: true }, rounds: rounds(1.2, 1.1, 1.4) },
      { peer: { name: 'libtorrent', ours: false }, rounds: rounds(2) },
      { peer: { name: 'aria2c', ours: false }, rounds: new Map() },
    ],
  },
];

const about = {
  machine: { cores: 2, cpu: 'a processor', node: 'v24' },
  racksTold: false,
  settings: { sizeBytes: 1, rateBytesPerSecond: 1 },
  skipped: [],
  failures: [],
};

describe('the result', () => {
  const result = toResult(found, about);

  test('has medians, spread and all finishes of each peer that has figures', () => {
    expect(result.runs.map(({ name }) => name)).toEqual(['starling', 'libtorrent']);
    const [ours] = result.runs;
    expect(ours).toMatchObject({ rounds: 3, lastOverBound: 1.2 });
    expect(ours?.spread.lastOverBound).toEqual({ min: 1.1, max: 1.4 });
    expect(ours?.finishes).toHaveLength(3);
  });

  test('tells in short what ours did in the main scenario', () => {
    expect(result).toMatchObject({ bound: 10, overBound: { median: 1, last: 1.2 } });
    expect(result.seedCopies).toBe(1.2);
  });

  test('says why when there was no network to be had', () => {
    const skipped = [{ name: 'swarm', reason: 'network namespaces need root' }];
    const none = toResult([], { ...about, skipped });
    expect(none).not.toHaveProperty('overBound');
    expect(resultText(none)).toBe('skipped: swarm: network namespaces need root');
    expect(resultChart(none)).toContain('</svg>');
  });

  test('is shown without columns that nobody has figures for', () => {
    const text = resultText(result);
    expect(text).toContain('1.20 (1.10-1.40)');
    expect(text).not.toContain('copies into a rack');
  });
});
