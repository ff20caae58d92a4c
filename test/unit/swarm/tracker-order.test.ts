import fc from 'fast-check';
import { expect, test } from 'vitest';
import { trackerOrder } from '../../../src/swarm/tracker-order.ts';
import { seededBytes } from '../../tools/seeded-random.ts';

const anyHash = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => Buffer.from(bytes));
const anyTracker = fc.nat(65_534).map((port) => `http://tracker.example:${port + 1}`);
const anyTrackers = fc.uniqueArray(anyTracker, { minLength: 1, maxLength: 8 });

test('all hosts find the same order, whatever the order in which they were told of trackers', () => {
  const shuffled = anyTrackers.chain((trackers) =>
    fc.tuple(
      fc.constant(trackers),
      fc.shuffledSubarray(trackers, { minLength: trackers.length, maxLength: trackers.length }),
    ),
  );
  fc.assert(
    fc.property(shuffled, anyHash, ([trackers, others], hash) => {
      const order = trackerOrder(trackers, hash);
      expect(trackerOrder(others, hash)).toEqual(order);
      expect(order.toSorted()).toEqual(trackers.toSorted());
    }),
  );
});

test('however the URL of a tracker is written, it has the same place', () => {
  const others = ['http://b.example:7070', 'http://c.example:7070', 'http://d.example:7070'];
  const written = [
    'http://a.example',
    'http://a.example/',
    'http://A.example:80',
    'http://a.example/announce',
  ];
  fc.assert(
    fc.property(anyHash, (hash) => {
      const places = written.map((url) => trackerOrder([...others, url], hash).indexOf(url));
      expect(new Set(places).size).toBe(1);
    }),
  );
});

test('each of five trackers is the first for about a fifth of all images', () => {
  const trackers = [1, 2, 3, 4, 5].map((name) => `http://tracker-${name}.example:7070`);
  const counts = new Map(trackers.map((url) => [url, 0]));
  const images = 5_000;
  const hashes = seededBytes(1, images * 20);
  for (let image = 0; image < images; image++) {
    const [first = ''] = trackerOrder(trackers, hashes.subarray(image * 20, image * 20 + 20));
    counts.set(first, (counts.get(first) ?? 0) + 1);
  }
  for (const count of counts.values()) expect(Math.abs(count / images - 0.2)).toBeLessThan(0.03);
});

test('when a tracker goes, the others keep their order, so that only its images move', () => {
  fc.assert(
    fc.property(anyTrackers, fc.nat(), anyHash, (trackers, at, hash) => {
      const gone = trackers[at % trackers.length];
      const before = trackerOrder(trackers, hash);
      const after = trackerOrder(
        trackers.filter((url) => url !== gone),
        hash,
      );
      expect(after).toEqual(before.filter((url) => url !== gone));
    }),
  );
});
