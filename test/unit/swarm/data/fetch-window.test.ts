import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FetchWindow } from '../../../../src/swarm/data/fetch-window.ts';

const kib = 1 << 10;
const mib = 1 << 20;
const blockBytes = 16 * kib;

/** A peer behind a line, which is asked for as much as the window allows all the time. */
class Line {
  readonly window = new FetchWindow();
  nowMs = 0;
  readonly #blockMs: number;
  readonly #roundTripMs: number;
  #askedMs: number[] = [];
  #marked = -1;
  #answered = 0;

  constructor(init: { bytesPerSecond: number; roundTripMs: number }) {
    this.#blockMs = (blockBytes * 1_000) / init.bytesPerSecond;
    this.#roundTripMs = init.roundTripMs;
  }

  /** Lets so much time pass. */
  run(ms: number): void {
    const { window } = this;
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      while (this.#askedMs.length * blockBytes < window.bytes) {
        if (window.asked(this.nowMs)) this.#marked = this.#answered + this.#askedMs.length;
        this.#askedMs.push(this.nowMs);
      }
      const askedMs = this.#askedMs.shift() ?? 0;
      this.nowMs = Math.max(this.nowMs + this.#blockMs, askedMs + this.#roundTripMs);
      if (this.#answered++ === this.#marked) window.answered(this.nowMs);
      window.received(blockBytes, this.nowMs);
    }
  }
}

test('on a line that takes more it grows by a factor every few answers, up to its bound', () => {
  for (const roundTripMs of [1, 10, 30, 100]) {
    const line = new Line({ bytesPerSecond: 1e10, roundTripMs });
    let before = 64 * kib;
    for (let step = 0; before < 8 * mib; step++) {
      expect(step).toBeLessThan(20);
      line.run(4 * Math.max(25, roundTripMs));
      const { bytes } = line.window;
      expect(bytes).toBeGreaterThanOrEqual(Math.min(8 * mib, 1.5 * before));
      before = bytes;
    }
  }
});

test('where a larger window brings no more it settles at what the line holds', () => {
  const bytesPerSecond = 20 * mib;
  const line = new Line({ bytesPerSecond, roundTripMs: 20 });
  line.run(5_000);
  // The time of an answer, and a tenth of a second ahead.
  expect(line.window.bytes / bytesPerSecond).toBeGreaterThan(0.08);
  expect(line.window.bytes / bytesPerSecond).toBeLessThan(0.2);
});

test('on a line that becomes slow it shrinks', () => {
  const line = new Line({ bytesPerSecond: 50 * mib, roundTripMs: 5 });
  line.run(2_000);
  const { window } = line;
  const before = window.bytes;
  for (let sample = 0; sample < 200; sample++) {
    window.asked(line.nowMs);
    line.nowMs += 30;
    window.answered(line.nowMs);
    window.received(blockBytes, line.nowMs);
  }
  expect(window.bytes).toBeLessThan(before / 10);
  expect(window.rateBytesPerSecond).toBeLessThan(mib);
});

test('a short idle time counts as part of how fast things go, a long one does not', () => {
  const paces = [10, 1_000].map((idleMs) => {
    const window = new FetchWindow();
    let nowMs = 0;
    for (let round = 0; round < 200; round++) {
      window.asked(nowMs);
      nowMs += 26;
      window.answered(nowMs);
      window.received(10 * blockBytes, nowMs);
      window.idle(nowMs);
      nowMs += idleMs;
    }
    return window.rateBytesPerSecond;
  });
  const busy = (10 * blockBytes * 1_000) / 26;
  const withPause = (10 * blockBytes * 1_000) / 36;
  expect(paces[0]).toBeGreaterThan(0.9 * withPause);
  expect(paces[0]).toBeLessThan(1.1 * withPause);
  expect(paces[1]).toBeGreaterThan(0.99 * busy);
});

test('whatever happens it stays within its bounds, and one answer is measured at a time', () => {
  const steps = fc.array(
    fc.record({
      what: fc.constantFrom('asked', 'answered', 'unanswered', 'received', 'idle'),
      bytes: fc.nat(10 * mib),
      ms: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 5_000, noNaN: true })),
    }),
  );
  fc.assert(
    fc.property(steps, (list) => {
      const window = new FetchWindow();
      let nowMs = 0;
      let measuring = false;
      for (const { what, bytes, ms } of list) {
        nowMs += ms;
        if (what === 'asked') {
          expect(window.asked(nowMs)).toBe(!measuring);
          measuring = true;
        } else if (what === 'answered' || what === 'unanswered') {
          if (what === 'answered') window.answered(nowMs);
          else window.unanswered();
          measuring = false;
        } else if (what === 'received') window.received(bytes, nowMs);
        else window.idle(nowMs);
        expect(window.bytes).toBeGreaterThanOrEqual(64 * kib);
        expect(window.bytes).toBeLessThanOrEqual(8 * mib);
        expect(window.rateBytesPerSecond).toBeGreaterThanOrEqual(0);
        expect(Number.isFinite(window.rateBytesPerSecond)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});
