import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PieceBudget } from '../../../src/swarm/piece-budget.ts';

test('who asks before he takes never has more than the limit, and all of it when it is given back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -40, max: 40 }), { maxLength: 100 }), (steps) => {
      const budget = new PieceBudget({ limitBytes: 100 });
      let used = 0;
      for (const step of steps) {
        const bytes = Math.abs(step);
        if (step > 0) {
          expect(budget.hasRoom(bytes)).toBe(used + bytes <= 100);
          if (!budget.hasRoom(bytes)) continue;
          budget.take(bytes);
          used += bytes;
        } else if (bytes <= used) {
          budget.give(bytes);
          used -= bytes;
        }
      }
      budget.give(used);
      expect(budget.hasRoom(100)).toBe(true);
      expect(budget.hasRoom(101)).toBe(false);
    }),
  );
});
