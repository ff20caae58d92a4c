import { describe, expect, test } from 'vitest';
import { Fleet } from '../../../../bench/simulate/fleet.ts';
import { maxHops } from '../../../../bench/simulate/network.ts';

const fleet = new Fleet({
  seeds: 1,
  hosts: 8,
  hostBytesPerSecond: 10,
  racks: 4,
  rackBytesPerSecond: 7,
  zones: 2,
  zoneBytesPerSecond: 5,
});

/** The capacities of the links between two hosts. */
function pathOf(from: number, to: number): number[] {
  const links = new Int32Array(maxHops);
  const hops = fleet.path(from, to, links);
  return [...links.subarray(0, hops)].map((link) => fleet.capacities[link]!);
}

describe('a path', () => {
  test('within a rack is the links of the two hosts', () => {
    expect(pathOf(1, 2)).toEqual([10, 10]);
  });

  test('within a zone goes over the links of two racks', () => {
    expect(pathOf(1, 3)).toEqual([10, 7, 7, 10]);
  });

  test('between zones goes over all links that there are', () => {
    expect(pathOf(1, 8)).toEqual([10, 7, 5, 5, 7, 10]);
  });

  test('from a seed, which is in no rack, begins in the core', () => {
    expect(pathOf(0, 8)).toEqual([10, 5, 7, 10]);
    expect(pathOf(8, 0)).toEqual([10, 7, 5, 10]);
  });
});

test('a fleet tells the lower bound its groups, and seeds in none', () => {
  const { seeds, hosts, groups } = fleet.topology();
  expect(seeds.map(({ group }) => group)).toEqual([undefined]);
  expect(hosts.map(({ group }) => group)).toEqual(
    [0, 0, 1, 1, 2, 2, 3, 3].map((rack) => `rack ${rack}`),
  );
  expect(groups?.map(({ name, parent }) => [name, parent])).toEqual([
    ['rack 0', 'zone 0'],
    ['rack 1', 'zone 0'],
    ['rack 2', 'zone 1'],
    ['rack 3', 'zone 1'],
    ['zone 0', undefined],
    ['zone 1', undefined],
  ]);
});
