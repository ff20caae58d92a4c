import { describe, expect, test } from 'vitest';
import type { BenchPeer } from '../../../bench/engine/bench-peer.ts';
import type { Figures } from '../../../bench/engine/figures.ts';
import { toResult } from '../../../bench/engine/result.ts';
import type { ContenderRounds } from '../../../bench/engine/contender.ts';
import { runRounds } from '../../../bench/rounds/index.ts';
import { resultChart, resultText } from '../../../bench/engine/show-result.ts';

const peer = (name: string, ours: boolean): BenchPeer => ({
  name,
  ours,
  missing: () => undefined,
  seed: () => Promise.reject(new Error('is not run here')),
});
const sealed = peer('sealed', true);
const open = peer('open', true);
const other = peer('libtorrent', false);

const figures = (mibPerSecond: number, seederCpuSecondsPerGib = 1): Figures => ({
  mibPerSecond,
  seederCpuSecondsPerGib,
  fetcherCpuSecondsPerGib: 1,
  seederPeakMib: 100,
  fetcherPeakMib: 100,
  fetcherPeakAnonymousMib: 50,
});

const rounds = (of: BenchPeer, ...values: (Figures | undefined)[]): ContenderRounds => ({
  peer: of,
  fetchers: 1,
  rounds: new Map(
    values.flatMap((value, round) => (value === undefined ? [] : [[round, value] as const])),
  ),
});

const machine = { cores: 2, cpu: 'a processor', node: 'v24' };
const facts = { machine, skipped: [], failures: [] };

const file = {
  scenario: 'file-memory',
  contenders: [
    rounds(sealed, figures(100), figures(400), figures(300)),
    rounds(open, figures(200), figures(200), figures(200)),
    rounds(other, figures(100), figures(200), undefined),
  ],
};

describe('the result of the engine bench', () => {
  test('has the medians of each peer, with their spread and how many rounds they are of', () => {
    const { runs } = toResult([file], facts);
    expect(runs[0]).toMatchObject({ name: 'sealed', mibPerSecond: 300, rounds: 3 });
    expect(runs[0]?.spread.mibPerSecond).toEqual({ min: 100, max: 400 });
    expect(runs[2]).toMatchObject({ name: 'libtorrent', mibPerSecond: 150, rounds: 2 });
  });

  test('has the medians of the ratios of each round, which are not the ratios of the medians', () => {
    const { ratios, ratioSpread } = toResult([file], facts);
    expect(ratios['sealed/libtorrent']).toBe(1.5);
    expect(ratioSpread['sealed/libtorrent']).toEqual({ min: 1, max: 2 });
    expect(ratios['sealed/open']).toBe(1.5);
    expect(ratios['libtorrent/sealed']).toBeUndefined();
  });

  test('names the ratios of small files by what they are over', () => {
    const small = { ...file, scenario: 'small-files-memory' };
    const { ratios } = toResult([file, small], facts);
    expect(ratios['smallFiles/libtorrent']).toBe(1.5);
    expect(ratios['smallFiles/open/libtorrent']).toBe(1.5);
  });

  test("has the seed's CPU time with four fetchers over that with one", () => {
    const four = {
      scenario: 'four-fetchers',
      contenders: [
        rounds(sealed, figures(100, 2), figures(100, 2)),
        { ...rounds(sealed, figures(200, 1), figures(200, 1.4)), fetchers: 4 },
      ],
    };
    const { seedCpuRatio4to1, ratios } = toResult([four], facts);
    expect(seedCpuRatio4to1).toBe(0.6);
    expect(ratios).toEqual({});
  });

  test('is told with its failures, and drawn', () => {
    const failed = { name: 'aria2c', scenario: 'file-memory', round: 1, message: 'no <room>' };
    const result = toResult([file], { ...facts, failures: [failed] });
    expect(resultText(result)).toContain('FAILED: aria2c, file-memory, round 1: no <room>');
    expect(resultChart(result)).toContain('300 MiB/s');
  });
});

describe('rounds', () => {
  const { signal } = new AbortController();
  const contenders = [sealed, other].map((of) => ({ peer: of, fetchers: 1 }));
  const quiet = { onRun: () => undefined, onFailure: () => undefined };

  test('run everybody in turn, and begin with another each time', async () => {
    const order: string[] = [];
    const run = ({ peer: { name } }: { peer: BenchPeer }) => {
      order.push(name);
      return Promise.resolve(figures(1));
    };
    await runRounds({ scenario: 's', contenders, rounds: 2, run, ...quiet }, { signal });
    expect(order).toEqual(['sealed', 'libtorrent', 'libtorrent', 'sealed']);
  });

  test('go on without who fails, and keep what it has shown before', async () => {
    const failures: string[] = [];
    let runs = 0;
    const run = ({ peer: { ours } }: { peer: BenchPeer }) =>
      ours || runs++ === 0 ? Promise.resolve(figures(1)) : Promise.reject(new Error('broke'));
    const onFailure = ({
      name,
      round,
      message,
    }: {
      name: string;
      round: number;
      message: string;
    }) => failures.push(`${name} ${round} ${message}`);
    const found = await runRounds(
      { scenario: 's', contenders, rounds: 3, run, onRun: quiet.onRun, onFailure },
      { signal },
    );
    expect(failures).toEqual(['libtorrent 2 broke']);
    expect(found.map((one) => one.rounds.size)).toEqual([3, 1]);
  });

  test('end when they are told to', async () => {
    const ending = AbortSignal.abort(new Error('enough'));
    const run = () => Promise.resolve(figures(1));
    const init = { scenario: 's', contenders, rounds: 1, run, ...quiet };
    await expect(runRounds(init, { signal: ending })).rejects.toThrow('enough');
  });
});
