import { expect, test } from 'vitest';
import { Assembly } from '../../../src/swarm/assembly.ts';
import { RequestWindow, type PendingRequest } from '../../../src/swarm/request-window.ts';

const assembly = new Assembly({ piece: 0, sizeBytes: 16 << 20, exclusive: false });
const request = (block: number): PendingRequest => ({ assembly, block, cancelled: false });

function filled(count: number, window = new RequestWindow(0)): RequestWindow {
  for (let block = 0; block < count; block++) {
    window.add(assembly.rangeOf(block), request(block), 5);
  }
  return window;
}

test('a request is settled once, by exactly what was asked for', () => {
  const window = filled(2);
  expect(window.settle({ piece: 0, beginBytes: 0, lengthBytes: 100 }, 9)).toBeUndefined();
  expect(window.settle({ piece: 1, beginBytes: 0, lengthBytes: 16_384 }, 9)).toBeUndefined();
  expect(window.lastAnswerMs).toBe(5);
  expect(window.settle(assembly.rangeOf(1), 9)?.block).toBe(1);
  expect(window.settle(assembly.rangeOf(1), 9)).toBeUndefined();
  expect([window.size, window.lastAnswerMs]).toEqual([1, 9]);
});

test('waiting begins with the first request, not with the connection', () => {
  const window = new RequestWindow(0);
  window.add(assembly.rangeOf(0), request(0), 50_000);
  expect(window.lastAnswerMs).toBe(50_000);
});

test('all requests can be taken at once', () => {
  const window = filled(3);
  expect(window.clear().map(({ block }) => block)).toEqual([0, 1, 2]);
  expect(window.size).toBe(0);
});

test('small gaps stay open until several requests fit', () => {
  const window = filled(32);
  expect(window.room).toBe(0);
  for (let block = 0; block < 7; block++) window.settle(assembly.rangeOf(block), 1);
  expect(window.room).toBe(0);
  window.settle(assembly.rangeOf(7), 1);
  expect(window.room).toBe(8);
});

test('a faster peer is asked for more, a slower one for less, both within bounds', () => {
  const window = new RequestWindow(0);
  expect(window.room).toBe(32);
  window.measure(16_384 * 400);
  window.tick(1_000);
  expect(window.room).toBe(100);
  window.peerQueue = 1_000;
  for (let second = 0; second < 30; second++) {
    window.measure(1e9);
    window.tick(1_000);
  }
  expect(window.room).toBe(512);
  for (let second = 0; second < 60; second++) window.tick(1_000);
  expect(window.room).toBe(16);
});

test('no peer is asked for more than it lets wait', () => {
  const window = new RequestWindow(0);
  window.peerQueue = 10;
  expect(window.room).toBe(10);
  window.peerQueue = 0;
  expect(window.room).toBe(0);
});
