import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { encodeCursor, pageQuerySchema } from '../../../../src/api/index.ts';
import { defineRoute, jsonAnswer, linkNext, pageOf } from '../../../../tracker/rest/index.ts';
import { openFrame } from './rest-frame.ts';

const schema = pageQuerySchema({ maxLimit: 50, keyShape: /^[^\0]{1,40}$/u });

test('pages from first to last hold each item once and in order, whatever their length', () => {
  const name = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-composite' });
  const names = fc.uniqueArray(name, { maxLength: 30 });
  fc.assert(
    fc.property(names, fc.integer({ min: 1, max: 50 }), (items, limit) => {
      const sorted = items.toSorted();
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const given = { limit: String(limit), ...(after === undefined ? {} : { after }) };
        const query = schema.parse(given);
        const from = query.after === undefined ? 0 : sorted.indexOf(query.after) + 1;
        const page = pageOf(sorted.slice(from), query, (item) => item);
        expect(page.items.length).toBeLessThanOrEqual(limit);
        seen.push(...page.items);
        after = page.next;
      } while (after !== undefined);
      expect(seen).toEqual(sorted);
    }),
    { numRuns: 50 },
  );
});

test('no more is read than a page and whether something follows', () => {
  let read = 0;
  function* endless() {
    for (;;) yield ++read;
  }
  const page = pageOf(endless(), { limit: 3 }, String);
  expect(page).toEqual({ items: [1, 2, 3], next: encodeCursor('3') });
  expect(read).toBe(4);
});

test.each([
  { limit: '0' },
  { limit: '51' },
  { limit: '1.5' },
  { limit: 'ten' },
  { after: '' },
  { after: '!' },
  { after: encodeCursor('x'.repeat(41)) },
  // Not how a cursor of that text is written.
  { after: 'YWJjZB' },
  { more: '1' },
])('the query %j is refused', (query) => {
  expect(schema.safeParse(query).success).toBe(false);
});

test('where the next page is stands in the header, with all else that was asked', async () => {
  const list = defineRoute({
    id: 'list',
    method: 'GET',
    path: '/v1/numbers',
    tag: 'numbers',
    summary: 'Numbers',
    query: pageQuerySchema({ maxLimit: 50, keyShape: /^\d+$/ }).extend({ of: z.string() }),
    answer: jsonAnswer(z.object({ numbers: z.array(z.int()), next: z.string().optional() }), 'So.'),
    handle: ({ query, request, reply }) => {
      const after = Number(query.after ?? -1);
      const following = [0, 1, 2, 3, 4].filter((number) => number > after);
      const { items, next } = pageOf(following, query, String);
      linkNext(request, reply, next);
      return { numbers: [...items], next };
    },
  });
  const { call } = await openFrame([list]);
  const pages: unknown[] = [];
  let url: string | undefined = '/v1/numbers?of=a%26b&limit=2';
  while (url !== undefined) {
    const answer = await call({ method: 'GET', url });
    pages.push(answer.json<{ numbers: number[] }>().numbers);
    const link = answer.headers.link as string | undefined;
    url = link === undefined ? undefined : /^<([^>]+)>; rel="next"$/.exec(link)?.[1];
    if (url !== undefined) expect(url).toContain('of=a%26b');
  }
  expect(pages).toEqual([[0, 1], [2, 3], [4]]);
});
