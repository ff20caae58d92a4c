import { expect, test } from 'vitest';
import { Fleet } from '../../../../bench/simulate/fleet.ts';
import { policyGraph } from '../../../../bench/simulate/peer-graph.ts';
import { Random } from '../../../../bench/simulate/random.ts';

const fleet = new Fleet({ seeds: 1, hosts: 200, hostBytesPerSecond: 1e6 });

test('beside a dead host others hear of each other when their tracker has forgotten it', () => {
  const deaths = new Map([
    [20, 5],
    [90, 40],
  ]);
  const { pairs } = policyGraph({}, deaths)(fleet, new Random(1));
  const later = pairs.filter(([, , since]) => since > 0 && since < Infinity);
  // Four rings, a gap in each.
  expect(later.length).toBeGreaterThan(4);
  expect(later.length).toBeLessThanOrEqual(8);
  for (const [one, other, since] of later) {
    expect(deaths.has(one) && deaths.get(one)! < since).toBe(false);
    expect(deaths.has(other) && deaths.get(other)! < since).toBe(false);
    // After an announce up to 2 s before its death it was silent for 14 s; others announce each 2 s.
    const [first, second] = [...deaths.values()].map((died) => since - died);
    expect([first, second].some((after) => after! > 12 && after! < 16)).toBe(true);
  }
});

test('the connections from the start are the same whoever dies', () => {
  const atStart = (deaths: ReadonlyMap<number, number>) =>
    policyGraph({}, deaths)(fleet, new Random(1)).pairs.filter(([, , since]) => since === 0);
  expect(atStart(new Map([[20, 5]]))).toEqual(atStart(new Map()));
});

test('who is beside a host that dies has a spare, and the pair waits until it is asked for', () => {
  const { pairs, spares } = policyGraph({}, new Map([[20, 5]]))(fleet, new Random(1));
  const beside = pairs.filter(([one, other, since]) => since === 0 && (one === 20 || other === 20));
  expect([...spares.keys()].toSorted()).toEqual(
    beside.map(([one, other]) => (one === 20 ? other : one)).toSorted(),
  );
  for (const [host, instead] of spares) {
    const spare = instead.get(20);
    const pair = pairs.find(([one, other]) => one === host && other === spare);
    const back = pairs.find(([one, other]) => one === spare && other === host);
    expect((pair ?? back)?.[2]).toBe(Infinity);
  }
});
