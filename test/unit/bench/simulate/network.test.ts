import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventQueue } from '../../../../bench/simulate/event-queue.ts';
import { Network } from '../../../../bench/simulate/network.ts';
import { maxMinRates } from './max-min.ts';

interface Sketch {
  readonly capacities: number[];
  /** The links of flows that begin, one after the other. */
  readonly paths: number[][];
  /** Which of them end, by order. */
  readonly ends: number[];
}

const sketches: fc.Arbitrary<Sketch> = fc
  .array(fc.integer({ min: 10, max: 1_000 }), { minLength: 2, maxLength: 12 })
  .chain((capacities) =>
    fc.record({
      capacities: fc.constant(capacities),
      paths: fc.array(
        fc.uniqueArray(fc.nat(capacities.length - 1), {
          minLength: 1,
          maxLength: Math.min(4, capacities.length),
        }),
        { minLength: 1, maxLength: 30 },
      ),
      ends: fc.array(fc.nat(29), { maxLength: 15 }),
    }),
  );

/** Begins and ends the flows of a sketch, and tells what is left, with exact rates. */
function play({ capacities, paths, ends }: Sketch, tolerance: number) {
  const queue = new EventQueue({ delaysSeconds: [1], flows: paths.length });
  const init = { capacities: Float64Array.from(capacities), flows: paths.length, tolerance };
  const network = new Network({ queue }, init);
  const flows = paths.map((path) => {
    const flow = network.begin(Int32Array.from(path), path.length, 1e9);
    network.settle();
    return flow;
  });
  const ended = new Set(ends.filter((index) => index < paths.length));
  for (const index of ended) {
    network.end(flows[index]!);
    network.settle();
  }
  const left = [...paths.keys()].filter((index) => !ended.has(index));
  const exact = maxMinRates(
    capacities,
    left.map((index) => paths[index]!),
  );
  return { network, rates: left.map((index) => network.rate(flows[index]!)), exact };
}

const used = ({ capacities }: Sketch, network: Network): number[] =>
  capacities.map((capacity, link) => network.used(link) / capacity);

describe('a network that is shared', () => {
  test('gives each flow within 3 % of its max-min fair rate when it works out all changes', () => {
    fc.assert(
      fc.property(sketches, (sketch) => {
        const { rates, exact } = play(sketch, 0);
        for (const [index, rate] of rates.entries()) {
          expect(Math.abs(rate / exact[index]! - 1)).toBeLessThan(0.03);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('overloads no link, and leaves to no flow less than 4/5 of its fair rate', () => {
    fc.assert(
      fc.property(sketches, (sketch) => {
        const { network, rates, exact } = play(sketch, 0.02);
        for (const share of used(sketch, network)) expect(share).toBeLessThanOrEqual(1);
        for (const [index, rate] of rates.entries()) {
          expect(rate / exact[index]!).toBeGreaterThan(0.8);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('uses what it has where flows want it: all rates together are within 3 % of the fair ones', () => {
    fc.assert(
      fc.property(sketches, (sketch) => {
        const { rates, exact } = play(sketch, 0.02);
        const sum = (values: readonly number[]) =>
          values.reduce((total, value) => total + value, 0);
        if (exact.length > 0) expect(Math.abs(sum(rates) / sum(exact) - 1)).toBeLessThan(0.03);
      }),
      { numRuns: 500 },
    );
  });

  test('says when a flow is done, also when it became slower and faster meanwhile', () => {
    const queue = new EventQueue({ delaysSeconds: [1, 2], flows: 2 });
    const init = { capacities: Float64Array.of(100), flows: 2, tolerance: 0 };
    const network = new Network({ queue }, init);
    const path = Int32Array.of(0);
    const flow = network.begin(path, 1, 400);
    network.settle();
    queue.send(0, 1, 0, 0);
    queue.send(1, 1, 0, 0);
    queue.next();
    const other = network.begin(path, 1, 1_000);
    network.settle();
    queue.next();
    network.end(other);
    network.settle();
    while (queue.next()) {
      if (network.isDone(flow)) break;
    }
    // A second alone, one shared, and the rest alone; a little of each link stays free.
    expect(queue.now).toBeGreaterThan(4.5);
    expect(queue.now).toBeLessThan(4.52);
    network.end(flow);
    expect(network.carried(0)).toBeGreaterThan(449);
    expect(network.carried(0)).toBeLessThan(451);
  });
});
