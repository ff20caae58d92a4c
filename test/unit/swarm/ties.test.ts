import { expect, test } from 'vitest';
import { endpointText } from '../../../src/swarm/endpoint.ts';
import { Ties } from '../../../src/swarm/ties.ts';

const endpoint = (number: number) => ({ host: `192.0.2.${number}`, port: 6_881 });
type Endpoint = ReturnType<typeof endpoint>;
const [one, two, spare, other] = [endpoint(1), endpoint(2), endpoint(3), endpoint(4)];

function world() {
  const clock = { ms: 0 };
  const connected = new Set<string>();
  const isConnected = (key: string) => connected.has(key);
  const ties = new Ties({ now: () => clock.ms });
  const missing = () => ties.missing(isConnected);
  const tell = (named: Endpoint[], spares: Endpoint[] = []) => {
    ties.set({ ties: named, spares }, isConnected);
  };
  const connect = (at: Endpoint) => connected.add(endpointText(at));
  const lose = (at: Endpoint) => connected.delete(endpointText(at));
  /** The connection to the first of two ties ends, and a spare stands in for it. */
  const replaceOne = () => {
    tell([one, two]);
    connect(one);
    missing();
    lose(one);
    tell([one, two], [spare]);
    connect(spare);
    expect(ties.has(spare)).toBe(true);
  };
  return { clock, ties, missing, tell, connect, lose, replaceOne };
}

test('a tie that was connected is missing as soon as it is not, and another after a while', () => {
  const { clock, missing, tell, connect, lose } = world();
  tell([one, two]);
  connect(one);
  expect(missing()).toBe(0);
  lose(one);
  expect(missing()).toBe(1);
  clock.ms += 9_999;
  expect(missing()).toBe(1);
  clock.ms += 1;
  expect(missing()).toBe(2);
  connect(two);
  expect(missing()).toBe(1);
});

test('a spare stands in for a missing tie from when it is named until it is lost too', () => {
  const { ties, missing, tell, connect, lose } = world();
  tell([one, two]);
  connect(one);
  connect(two);
  expect(missing()).toBe(0);
  lose(one);
  tell([one, two], [spare]);
  expect([missing(), ties.has(spare)]).toEqual([0, true]);
  connect(spare);
  expect(missing()).toBe(0);
  // It was asked for again meanwhile, and nothing more is missing.
  tell([one, two], [other]);
  expect([ties.has(spare), ties.has(other)]).toEqual([true, false]);
  lose(spare);
  expect(missing()).toBe(1);
});

test('spares are let go when the tracker knows who is gone, or the tie is back', () => {
  const { ties, missing, tell, connect, replaceOne } = world();
  replaceOne();
  tell([two, other]);
  expect([ties.has(spare), ties.has(one), missing()]).toEqual([false, false, 0]);
  replaceOne();
  connect(one);
  tell([one, two]);
  expect(ties.has(spare)).toBe(false);
});

test('a spare that becomes a tie is one', () => {
  const { ties, missing, tell, replaceOne } = world();
  replaceOne();
  tell([two, spare]);
  expect([ties.has(spare), missing()]).toEqual([true, 0]);
  expect(endpointText({ host: '2001:db8::1', port: 1 })).toBe('[2001:db8::1]:1');
});
