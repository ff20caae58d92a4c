import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lowerBound, type HostLinks, type Topology } from '../../../src/policy/index.ts';

const image = { sizeBytes: 100_000_000, pieceCount: 100 };
const rate = 25_000_000;
const link = (up: number, down = up, group?: string): HostLinks => ({
  upBytesPerSecond: up,
  downBytesPerSecond: down,
  group,
});
const many = (count: number, host: HostLinks) => Array.from({ length: count }, () => host);
const equal = (hosts: number, seeds = 1, each = rate): Topology => ({
  seeds: many(seeds, link(each)),
  hosts: many(hosts, link(each)),
});

test('with equal rates and one seed it is that of Mundinger, Weber and Weiss', () => {
  for (const hosts of [1, 2, 3, 7, 8, 9, 1_000]) {
    const rounds = Math.floor(Math.log2(hosts));
    expect(lowerBound(equal(hosts), image)).toBeCloseTo(4 * (1 + rounds / 100));
  }
  expect(lowerBound(equal(8), { ...image, pieceCount: 1 })).toBeCloseTo(4 * 4);
});

test('with more seeds it is never less than what one link carries', () => {
  expect(lowerBound(equal(9, 3), image)).toBeCloseTo(4);
});

test('it is bound by the slowest that all must pass: the seed, a host, or all uploads together', () => {
  const hosts = many(10, link(rate));
  expect(lowerBound({ seeds: [link(1_000_000)], hosts }, image)).toBeCloseTo(100);
  const slow = link(rate, 2_000_000);
  expect(lowerBound({ seeds: [link(rate)], hosts: [...hosts, slow] }, image)).toBeCloseTo(50);
  const silent = many(10, link(0, rate));
  expect(lowerBound({ seeds: [link(rate)], hosts: silent }, image)).toBeCloseTo(40);
});

test('the first copy passes the link of each group that has no seed, and leaves the one that has', () => {
  const racks = (up: number, down: number): Topology => ({
    seeds: [link(rate, rate, 'r1')],
    hosts: [...many(8, link(rate, rate, 'r1')), ...many(8, link(rate, rate, 'r2'))],
    groups: [
      { name: 'r1', upBytesPerSecond: up, downBytesPerSecond: Infinity },
      { name: 'r2', upBytesPerSecond: Infinity, downBytesPerSecond: down },
    ],
  });
  expect(lowerBound(racks(Infinity, Infinity), image)).toBeCloseTo(4.16);
  expect(lowerBound(racks(Infinity, 10_000_000), image)).toBeCloseTo(10);
  expect(lowerBound(racks(5_000_000, Infinity), image)).toBeCloseTo(20);
});

test('a group whose hosts send little is bound by its link for all copies', () => {
  const topology: Topology = {
    seeds: [link(100 * rate)],
    hosts: many(5, link(0, rate, 'r1')),
    groups: [
      { name: 'z1', upBytesPerSecond: 0, downBytesPerSecond: 10_000_000 },
      { name: 'r1', parent: 'z1', upBytesPerSecond: 0, downBytesPerSecond: Infinity },
    ],
  };
  expect(lowerBound(topology, image)).toBeCloseTo(50);
});

test('nothing to send, or nobody to send to, takes no time', () => {
  expect(lowerBound(equal(0), image)).toBe(0);
  expect(lowerBound(equal(5), { ...image, sizeBytes: 0 })).toBe(0);
});

test('without limits there is no bound, and it is a number all the same', () => {
  expect(lowerBound(equal(5, 1, Infinity), image)).toBe(0);
  expect(lowerBound(equal(5), { ...image, pieceCount: 0 })).toBeCloseTo(12);
});

test('more hosts or more bytes never take less time, higher rates or more pieces never more', () => {
  const anyRate = fc.integer({ min: 1_000, max: 1_000_000_000 });
  const anyHost = fc.record({
    upBytesPerSecond: anyRate,
    downBytesPerSecond: anyRate,
    group: fc.constantFrom('r1', 'r2', undefined),
  });
  const anyTopology = fc.record({
    seeds: fc.array(anyHost, { minLength: 1, maxLength: 3 }),
    hosts: fc.array(anyHost, { minLength: 1, maxLength: 50 }),
    groups: fc.tuple(anyRate, anyRate).map(([r1, r2]) => [
      { name: 'r1', parent: 'r2', upBytesPerSecond: r1, downBytesPerSecond: r1 },
      { name: 'r2', upBytesPerSecond: r2, downBytesPerSecond: r2 },
    ]),
  });
  const size = fc.record({
    sizeBytes: fc.integer({ min: 1, max: 1_000_000_000 }),
    pieceCount: fc.integer({ min: 1, max: 5_000 }),
  });
  const twice = (host: HostLinks): HostLinks => ({
    ...host,
    upBytesPerSecond: 2 * host.upBytesPerSecond,
    downBytesPerSecond: 2 * host.downBytesPerSecond,
  });
  fc.assert(
    fc.property(anyTopology, size, (topology, { sizeBytes, pieceCount }) => {
      const bound = lowerBound(topology, { sizeBytes, pieceCount });
      const atLeast = bound * (1 - 1e-9);
      const more = { sizeBytes: 2 * sizeBytes, pieceCount };
      expect(lowerBound(topology, more)).toBeGreaterThanOrEqual(atLeast);
      const silent = topology.hosts.map((host) => ({ ...host, upBytesPerSecond: 0 }));
      const crowded = { ...topology, hosts: [...topology.hosts, ...silent] };
      expect(lowerBound(crowded, { sizeBytes, pieceCount })).toBeGreaterThanOrEqual(atLeast);
      const faster = {
        seeds: topology.seeds.map(twice),
        hosts: topology.hosts.map(twice),
        groups: topology.groups.map((group) => ({
          ...group,
          upBytesPerSecond: 2 * group.upBytesPerSecond,
          downBytesPerSecond: 2 * group.downBytesPerSecond,
        })),
      };
      const finer = { sizeBytes, pieceCount: 2 * pieceCount };
      for (const less of [
        lowerBound(faster, { sizeBytes, pieceCount }),
        lowerBound(topology, finer),
      ]) {
        expect(less).toBeLessThanOrEqual(bound * (1 + 1e-9));
      }
    }),
  );
});
