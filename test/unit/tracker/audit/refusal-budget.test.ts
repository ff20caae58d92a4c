import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RefusalBudget } from '../../../../tracker/audit/refusal-budget.ts';

test('never more are written than the burst and what was refilled, whatever the order of times', () => {
  const init = { burst: 3, refillMs: 10 };
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 200 }), (pauses) => {
      const budget = new RefusalBudget(init, 0);
      let nowMs = 0;
      let taken = 0;
      for (const pause of pauses) {
        nowMs += pause;
        if (budget.take(nowMs)) taken++;
        expect(taken).toBeLessThanOrEqual(init.burst + nowMs / init.refillMs);
      }
    }),
  );
});

test('a clock that is set back costs no more than the room that was due', () => {
  const budget = new RefusalBudget({ burst: 1, refillMs: 10 }, 1_000);
  expect([budget.take(1_000), budget.take(500), budget.take(509), budget.take(510)]).toEqual([
    true,
    false,
    false,
    true,
  ]);
});
