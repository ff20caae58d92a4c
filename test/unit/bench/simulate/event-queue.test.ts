import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventQueue, flowKind } from '../../../../bench/simulate/event-queue.ts';
import { TimeHeap } from '../../../../bench/simulate/time-heap.ts';

describe('events', () => {
  test('come by time, and those of the same time in the order in which they were sent', () => {
    const queue = new EventQueue({ delaysSeconds: [2, 1, 2], flows: 2 });
    queue.send(0, 1, 10, 0);
    queue.plan(2, 2, 20);
    queue.send(2, 3, 30, 0);
    queue.setFlowTime(1, 2);
    queue.send(1, 4, 40, 0);
    queue.plan(2, 5, 50);
    const seen: number[][] = [];
    while (queue.next()) {
      seen.push([queue.now, queue.kind, queue.first]);
      if (queue.kind === flowKind) queue.deleteFlow(queue.first);
    }
    expect(seen).toEqual([
      [1, 4, 40],
      [2, 1, 10],
      [2, 2, 20],
      [2, 3, 30],
      [2, flowKind, 1],
      [2, 5, 50],
    ]);
  });

  test('of a lane are all kept, however many there are', () => {
    const queue = new EventQueue({ delaysSeconds: [1], flows: 1 });
    for (let index = 0; index < 50; index++) queue.send(0, 1, index, 0);
    for (let index = 0; index < 30; index++) queue.next();
    for (let index = 50; index < 300; index++) queue.send(0, 1, index, 0);
    const rest: number[] = [];
    while (queue.next()) rest.push(queue.first);
    expect(rest).toEqual(Array.from({ length: 270 }, (_, index) => index + 30));
  });

  test('whose times are changed and that are deleted leave a heap in order', () => {
    const steps = fc.array(fc.tuple(fc.nat(19), fc.option(fc.nat(50))), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (changes) => {
        const heap = new TimeHeap(20);
        const model = new Map<number, [number, number]>();
        for (const [sequence, [id, time]] of changes.entries()) {
          if (time === null) {
            heap.delete(id);
            model.delete(id);
          } else {
            heap.set(id, time, sequence);
            model.set(id, [time, sequence]);
          }
        }
        const order: number[] = [];
        for (; heap.size > 0; heap.delete(heap.first)) order.push(heap.first);
        const sorted = [...model].sort(([, a], [, b]) => a[0] - b[0] || a[1] - b[1]);
        expect(order).toEqual(sorted.map(([id]) => id));
      }),
    );
  });
});
