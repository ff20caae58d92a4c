import { describe, expect, test } from 'vitest';
import { fleetBound, lateSeconds } from '../../../../bench/swarm/bound.ts';
import { payloadShare } from '../../../../bench/swarm/payload-rate.ts';
import { scenarios, sketchFleet } from '../../../../bench/swarm/scenario.ts';

const rate = 5e6;
const image = { sizeBytes: rate * payloadShare * 10, pieceCount: 256 };

const fleetOf = (name: string) => {
  const scenario = scenarios.find((each) => each.name === name);
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  return sketchFleet(scenario, rate);
};

describe('the bound of a scenario', () => {
  test('is the time of one copy over one link, and of as many pieces as have to be passed on', () => {
    expect(fleetBound(fleetOf('equal-16'), image)).toBeCloseTo(10 * (1 + 4 / 256), 9);
  });

  test('grows as links are slower', () => {
    expect(fleetBound(fleetOf('equal-32'), image)).toBeCloseTo(20 * (1 + 5 / 256), 9);
  });

  test('is not made longer by racks whose uplinks carry a copy in less time', () => {
    const { hosts, racks } = fleetOf('two-racks');
    expect(racks.map(({ uplinkBytesPerSecond }) => uplinkBytesPerSecond)).toEqual([1e7, 1e7]);
    expect(hosts.filter(({ rack }) => rack === 'rack-2')).toHaveLength(8);
    expect(fleetBound(fleetOf('two-racks'), image)).toBeCloseTo(10 * (1 + 4 / 256), 9);
  });

  test('leaves the slow host out, whose figure is apart', () => {
    const fleet = fleetOf('slow-host');
    expect(fleet.hosts.filter(({ slow }) => slow)).toHaveLength(1);
    expect(fleetBound(fleet, image)).toBeLessThan(11);
  });

  test('is for late hosts what one needs after it came', () => {
    const fleet = fleetOf('late');
    expect(fleet.hosts.filter(({ late }) => late)).toHaveLength(4);
    expect(fleetBound(fleet, image)).toBeCloseTo(lateSeconds(fleet, image) + 10, 9);
  });
});
