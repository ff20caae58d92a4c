import { describe, expect, test, vi } from 'vitest';
import {
  ChannelReporter,
  reportedState,
  type ChannelFacts,
} from '../../../../fetcher/fleet/channel-reporter.ts';
import type { Generation } from '../../../../fetcher/generation-record.ts';
import type { ChannelReport } from '../../../../src/control/index.ts';

const generation = (number: number, state: Generation['state'] = 'healthy'): Generation => ({
  number,
  state,
  imageId: `bimage${number}`,
  app: 'web',
  channel: 'stable',
  release: number,
  version: `${number}`,
  createdAt: '2026-01-01T00:00:00.000Z',
});

const running: ChannelFacts['activation'] = {
  state: 'running',
  generation: generation(1),
  condition: 'well',
  lastFailed: undefined,
};

const stateOf = (change: Partial<ChannelFacts['activation']>, newest = 'bimage1') =>
  reportedState({ activation: { ...running, ...change }, newest });

describe('a host is reported', () => {
  test('as healthy when its app is, or it has files alone', () => {
    expect(stateOf({})).toBe('healthy');
    expect(stateOf({ state: 'files', condition: undefined })).toBe('healthy');
  });

  test('as failed when its app is ill, or does not run', () => {
    expect(stateOf({ condition: 'ill', state: 'restarting' })).toBe('failed');
    expect(stateOf({ condition: undefined, state: 'stopped' })).toBe('failed');
  });

  test('as activating while it does, and while an app that was started is not healthy yet', () => {
    expect(stateOf({ state: 'activating' })).toBe('activating');
    expect(stateOf({ condition: 'starting' })).toBe('activating');
  });

  test('as empty when nothing is current, also when its first activation has failed', () => {
    const nothing = { state: 'empty', generation: undefined, condition: undefined } as const;
    expect(stateOf(nothing)).toBe('empty');
    expect(stateOf({ ...nothing, lastFailed: generation(1, 'failed') })).toBe('empty');
  });

  test('as gone back until the channel names what it went back to', () => {
    const lastFailed = generation(2, 'failed');
    expect(stateOf({ lastFailed }, 'bimage2')).toBe('wentBack');
    expect(stateOf({ lastFailed, condition: 'ill' }, 'bimage2')).toBe('failed');
    expect(stateOf({ lastFailed }, 'bimage1')).toBe('healthy');
  });
});

function makeReporter() {
  let number = 0;
  const state: { facts: ChannelFacts; heard: number; acted: number } = {
    facts: {
      activation: running,
      newest: 'bimage1',
      prefetched: 'bimage1',
      unmet: [],
      reason: undefined,
      preheated: [],
    },
    heard: 4,
    acted: 3,
  };
  const permits = {
    get heard() {
      return state.heard;
    },
    get acted() {
      return state.acted;
    },
    nextNumber: () => Promise.resolve(++number),
  };
  const reporter = new ChannelReporter(
    { permits },
    { app: 'web', channel: 'stable', facts: () => state.facts },
  );
  const reports: ChannelReport[] = [];
  return { reporter, reports, state };
}

test('a report says all of a channel, and comes again only when something of it changed', async () => {
  const { reporter, reports, state } = makeReporter();
  reporter.open();
  reporter.onChange((report) => reports.push(report));
  await vi.waitFor(() => {
    expect(reports).toEqual([
      {
        app: 'web',
        channel: 'stable',
        number: 1,
        epoch: 4,
        acted: 3,
        state: 'healthy',
        release: 'bimage1',
        generation: 1,
        prefetched: 'bimage1',
      },
    ]);
  });
  reporter.changed();
  await reporter.close();
  reporter.open();
  state.acted = 4;
  reporter.changed();
  await vi.waitFor(() => {
    expect(reports.map(({ number, acted }) => [number, acted])).toEqual([
      [1, 3],
      [2, 4],
    ]);
  });
});

test('nothing is said before it is known what runs here, or after it is stopped', async () => {
  const { reporter, reports, state } = makeReporter();
  reporter.onChange((report) => reports.push(report));
  await reporter.close();
  state.heard = 9;
  reporter.changed();
  await reporter.close();
  expect(reports).toEqual([]);
});
