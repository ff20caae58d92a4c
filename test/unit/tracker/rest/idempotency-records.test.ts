import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryRecords } from '../../../../tracker/rest/index.ts';

const answer = (body: string) => ({ status: 200, type: 'application/json', body });

type Step =
  | { readonly kind: 'begin' | 'finish' | 'fail'; readonly id: number; readonly print: number }
  | { readonly kind: 'pass'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('begin' as const, 'finish' as const, 'fail' as const),
    id: fc.nat(3),
    print: fc.nat(1),
  }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 60 }) }),
);

interface Known {
  readonly print: string;
  readonly until: number | undefined;
}

test('a key is taken once, and answers until it is over, whatever comes in between', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      let nowMs = 0;
      const init = { keptMs: 100, maxRecords: 100, maxCharacters: 1_000 };
      const records = new MemoryRecords({ monotonicMs: () => nowMs }, init);
      const known = new Map<string, Known>();
      for (const one of steps) {
        if (one.kind === 'pass') {
          nowMs += one.ms;
          continue;
        }
        const [id, print] = [`id ${one.id}`, `print ${one.print}`];
        const before = known.get(id);
        const isOver = before?.until !== undefined && before.until <= nowMs;
        const held = isOver ? undefined : before;
        if (one.kind === 'begin') {
          const { state } = await records.begin(id, print);
          if (held === undefined) {
            expect(state).toBe('new');
            known.set(id, { print, until: undefined });
          } else if (held.print !== print) expect(state).toBe('other');
          else expect(state).toBe(held.until === undefined ? 'inFlight' : 'done');
        } else if (held !== undefined && held.until === undefined) {
          await records.finish(id, one.kind === 'finish' ? answer(id) : undefined);
          if (one.kind === 'fail') known.delete(id);
          else known.set(id, { print: held.print, until: nowMs + 100 });
        }
      }
    }),
  );
});

test('what is kept is bounded by number and by length; the oldest goes first', async () => {
  const init = { keptMs: 1_000, maxRecords: 3, maxCharacters: 100 };
  const records = new MemoryRecords({ monotonicMs: () => 0 }, init);
  const add = async (id: string, body: string) => {
    await records.begin(id, 'print');
    await records.finish(id, answer(body));
  };
  const states = async (...ids: string[]) => {
    const known: string[] = [];
    for (const id of ids) {
      const { state } = await records.begin(id, 'print');
      if (state === 'done') known.push(id);
      else await records.finish(id, undefined);
    }
    return known.join('');
  };
  for (const id of ['a', 'b', 'c', 'd']) await add(id, 'x');
  expect(await states('a', 'b', 'c', 'd')).toBe('bcd');
  await add('e', 'x'.repeat(99));
  expect(await states('b', 'c', 'd', 'e')).toBe('de');
  await add('f', 'x'.repeat(101));
  expect(await states('d', 'e', 'f')).toBe('');
});
