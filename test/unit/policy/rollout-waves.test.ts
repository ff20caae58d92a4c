import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hostOrder, waveOf, type Participant } from '../../../src/policy/rollout-waves.ts';

const hosts = (zones: number, racks: number, each: number): Participant[] =>
  Array.from({ length: zones * racks * each }, (_, at) => ({
    id: `host ${at}`,
    labels: { zone: `z${at % zones}`, rack: `r${Math.floor(at / zones) % racks}` },
    isTried: false,
  }));

const rackOf = ({ labels }: Participant): string => `${labels.zone ?? ''}/${labels.rack ?? ''}`;

test('the order is of the rollout and the hosts, not of how they were listed', () => {
  const some = hosts(2, 3, 4);
  const order = hostOrder('one', some);
  expect(hostOrder('one', some.toReversed())).toEqual(order);
  expect(hostOrder('another', some)).not.toEqual(order);
  expect(new Set(order)).toEqual(new Set(some));
});

test('who was tried stands first', () => {
  const some = hosts(2, 2, 3).map((host, at) => ({ ...host, isTried: at % 4 === 3 }));
  const order = hostOrder('one', some).map(({ isTried }) => isTried);
  expect(order).toEqual(order.toSorted((one, other) => Number(other) - Number(one)));
});

test('racks and zones of one size never differ by more than one host, anywhere in the order', () => {
  const size = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(size, size, size, fc.string(), (zones, racks, each, rolloutId) => {
      const order = hostOrder(rolloutId, hosts(zones, racks, each));
      for (const groupOf of [rackOf, ({ labels }: Participant) => labels.zone ?? '']) {
        const counts = new Map(order.map((host) => [groupOf(host), 0]));
        for (const host of order) {
          counts.set(groupOf(host), (counts.get(groupOf(host)) ?? 0) + 1);
          const inZone = [...counts].filter(
            ([group]) => groupOf !== rackOf || group.startsWith(`${host.labels.zone ?? ''}/`),
          );
          const some = inZone.map(([, count]) => count);
          expect(Math.max(...some) - Math.min(...some)).toBeLessThanOrEqual(1);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test('a host that comes or goes leaves the others of its rack in their order', () => {
  fc.assert(
    fc.property(fc.nat(59), fc.string(), (gone, rolloutId) => {
      const all = hosts(2, 3, 10);
      const without = all.filter((_, at) => at !== gone);
      const inRacks = (some: Participant[]) =>
        Map.groupBy(
          hostOrder(rolloutId, some).filter(({ id }) => id !== all[gone]?.id),
          rackOf,
        );
      expect(inRacks(without)).toEqual(inRacks(all));
    }),
    { numRuns: 50 },
  );
});

test('a place is in the first wave that reaches it', () => {
  const sizes = [1, 1, 5];
  expect([0, 1, 4, 5].map((place) => waveOf(place, sizes))).toEqual([0, 2, 2, undefined]);
});
