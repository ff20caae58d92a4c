import { expect, test } from 'vitest';
import { DialBook } from '../../../src/swarm/dial-book.ts';

const endpoint = { host: '192.0.2.1', port: 6_881 };
const nobody = () => false;

function book() {
  const clock = { ms: 0 };
  return { clock, book: new DialBook({ now: () => clock.ms }) };
}

test('an endpoint is dialed once, however often it is named', () => {
  const { book: dials } = book();
  dials.add([endpoint, { ...endpoint }, { host: '192.0.2.2', port: 0 }]);
  expect(dials.next(nobody)).toEqual(endpoint);
  dials.add([endpoint]);
  expect(dials.next(nobody)).toBeUndefined();
  expect(dials.dialing).toBe(1);
  dials.succeeded(endpoint);
  expect(dials.dialing).toBe(0);
  expect(dials.next(nobody)).toBeUndefined();
});

test('a peer that is connected already is not dialed', () => {
  const { book: dials } = book();
  dials.add([endpoint]);
  expect(dials.next(({ host }) => host === endpoint.host)).toBeUndefined();
  expect(dials.next(nobody)).toEqual(endpoint);
});

test('after a failure it waits, longer each time, and at last forgets', () => {
  const { book: dials, clock } = book();
  dials.add([endpoint]);
  const pauses: number[] = [];
  const isDueWithin = (seconds: number) => {
    for (let second = 1; second <= seconds; second++) {
      clock.ms += 1_000;
      if (dials.next(nobody) === undefined) continue;
      pauses.push(second);
      return true;
    }
    return false;
  };
  expect(dials.next(nobody)).toEqual(endpoint);
  do dials.ended(endpoint);
  while (isDueWithin(100));
  expect(pauses.every((pause, index) => pause >= (pauses[index - 1] ?? 0))).toBe(true);
  expect(Math.max(...pauses)).toBe(60);
  dials.add([endpoint]);
  expect(dials.next(nobody)).toEqual(endpoint);
});

test('a connection that worked makes the next pause short again', () => {
  const { book: dials, clock } = book();
  dials.add([endpoint]);
  for (let round = 0; round < 20; round++) {
    expect(dials.next(nobody)).toEqual(endpoint);
    dials.succeeded(endpoint);
    dials.ended(endpoint);
    expect(dials.next(nobody)).toBeUndefined();
    clock.ms += 2_000;
  }
});

test('an endpoint that was forgone is never dialed again', () => {
  const { book: dials, clock } = book();
  dials.add([endpoint]);
  dials.next(nobody);
  dials.forgo(endpoint);
  dials.ended(endpoint);
  clock.ms += 1e9;
  dials.add([endpoint]);
  expect(dials.next(nobody)).toBeUndefined();
});

test('no more than a bounded number of endpoints is kept', () => {
  const { book: dials } = book();
  dials.add(Array.from({ length: 5_000 }, (_, index) => ({ host: '192.0.2.1', port: index + 1 })));
  let count = 0;
  while (dials.next(nobody) !== undefined) count += 1;
  expect(count).toBe(2_000);
});

const v2 = Buffer.alloc(20, 2);
const v1 = Buffer.alloc(20, 1);
const other = Buffer.alloc(20, 3);

test('who does not know the image under one hash is dialed under the next, at once', () => {
  const { book: dials, clock } = book();
  dials.add([endpoint]);
  const tried: (Buffer | undefined)[] = [];
  while (dials.next(nobody) !== undefined) {
    tried.push(dials.hashFor(endpoint, [v2, v1, other]));
    dials.unanswered(endpoint, [v2, v1, other]);
  }
  expect(tried).toEqual([v2, v1, other]);
  // Nothing worked: it is as any peer out of reach.
  clock.ms += 2_000;
  expect(dials.next(nobody)).toEqual(endpoint);
  expect(dials.hashFor(endpoint, [v2, v1, other])).toEqual(v2);
});

test('it is remembered under which hash it answered', () => {
  const { book: dials, clock } = book();
  dials.add([endpoint]);
  dials.next(nobody);
  dials.hashFor(endpoint, [v2, v1]);
  dials.unanswered(endpoint, [v2, v1]);
  dials.next(nobody);
  dials.succeeded(endpoint);
  dials.ended(endpoint);
  clock.ms += 2_000;
  dials.next(nobody);
  expect(dials.hashFor(endpoint, [v2, v1])).toEqual(v1);
});

test('a hash under which it was named is tried first, while it is one of the image', () => {
  const { book: dials } = book();
  dials.add([endpoint], v1);
  expect(dials.hashFor(endpoint, [v2, v1])).toEqual(v1);
  expect(dials.hashFor(endpoint, [v2])).toEqual(v2);
});

const second = { host: '192.0.2.2', port: 6_881 };
const third = { host: '192.0.2.3', port: 6_881 };

/** A tracker says whom to be connected to. */
const tie = (dials: DialBook, ties: (typeof endpoint)[], spares: (typeof endpoint)[] = []) => {
  dials.setTies({ ties, spares }, nobody);
};

/** All that are to be dialed now. */
function due(dials: DialBook) {
  const all = [];
  for (let next = dials.next(nobody); next !== undefined; next = dials.next(nobody)) all.push(next);
  return all;
}

test('new ties are dialed, and those that were ties before are not any more', () => {
  const { book: dials } = book();
  expect(dials.ties.isEmpty).toBe(true);
  tie(dials, [endpoint, second]);
  expect(dials.ties.isEmpty).toBe(false);
  tie(dials, [second, third]);
  expect(due(dials)).toEqual([second, third]);
});

test('a spare is dialed where a tie is missing, and only there', () => {
  const { book: dials, clock } = book();
  tie(dials, [endpoint], [second]);
  expect(due(dials)).toEqual([endpoint]);
  clock.ms += 10_000;
  tie(dials, [endpoint], [second, third]);
  expect(due(dials)).toEqual([second]);
});

test('who was named otherwise is dialed beside the ties, and forgotten when it ended', () => {
  const { book: dials, clock } = book();
  dials.add([endpoint]);
  tie(dials, [second]);
  expect(due(dials)).toEqual([endpoint, second]);
  dials.ended(endpoint);
  dials.ended(second);
  clock.ms += 60_000;
  expect(due(dials)).toEqual([second]);
});

test('a connection to who is no tie any more is kept in the book until it ends', () => {
  const { book: dials, clock } = book();
  tie(dials, [endpoint]);
  dials.next(nobody);
  dials.succeeded(endpoint);
  tie(dials, [second]);
  dials.add([endpoint]);
  expect(due(dials)).toEqual([second]);
  dials.ended(endpoint);
  clock.ms += 60_000;
  expect(due(dials)).toEqual([]);
  tie(dials, [endpoint]);
  expect(due(dials)).toEqual([endpoint]);
});

test('while nobody says whom to be connected to, who ended is tried again', () => {
  const { book: dials, clock } = book();
  tie(dials, [endpoint]);
  dials.next(nobody);
  tie(dials, []);
  expect(dials.ties.isEmpty).toBe(true);
  dials.ended(endpoint);
  clock.ms += 60_000;
  expect(due(dials)).toEqual([endpoint]);
});

test('a liar stays forgone though it is named as a tie', () => {
  const { book: dials } = book();
  tie(dials, [endpoint]);
  dials.next(nobody);
  dials.forgo(endpoint);
  tie(dials, [second]);
  tie(dials, [endpoint]);
  expect(due(dials)).toEqual([]);
});

test('what has ended for a reason that is over is dialed at once, and as often as it takes', () => {
  const { book: dials } = book();
  dials.add([endpoint]);
  for (let time = 0; time < 20; time++) {
    expect(dials.next(nobody)).toEqual(endpoint);
    dials.succeeded(endpoint);
    dials.ended(endpoint, { again: true });
  }
  dials.next(nobody);
  dials.ended(endpoint);
  expect(dials.next(nobody)).toBeUndefined();
});
