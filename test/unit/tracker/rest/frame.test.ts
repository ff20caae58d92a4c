import { expect, test } from 'vitest';
import * as z from 'zod';
import { problemSchema } from '../../../../src/api/index.ts';
import { StorageError } from '../../../../src/errors.ts';
import { problem, ProblemError } from '../../../../tracker/problem.ts';
import { defineRoute, jsonAnswer } from '../../../../tracker/rest/index.ts';
import { openFrame } from './rest-frame.ts';

const thing = z.strictObject({ size: z.int().min(0) });

/** Keeps what was put under a name; fails as it is told. */
function thingRoutes() {
  const things = new Map<string, number>();
  const failing: { with?: Error } = {};
  const params = z.strictObject({ name: z.string().max(10) });
  const answer = z.object({ name: z.string(), size: z.int() });
  const put = defineRoute({
    id: 'putThing',
    method: 'PUT',
    path: '/v1/things/{name}',
    tag: 'things',
    summary: 'Put a thing',
    params,
    query: z.strictObject({ why: z.string().optional() }),
    body: { schema: thing, maxBytes: 100 },
    answer: jsonAnswer(answer, 'The thing.', 201),
    handle: ({ params: { name }, body, note, operator }) => {
      if (failing.with !== undefined) throw failing.with;
      note({ name, operator });
      things.set(name, body.size);
      return { name, size: body.size };
    },
  });
  const remove = defineRoute({
    id: 'removeThing',
    method: 'DELETE',
    path: '/v1/things/{name}',
    tag: 'things',
    summary: 'Remove a thing',
    params,
    answer: jsonAnswer(z.undefined(), 'It is gone.', 204),
    handle: ({ params: { name } }) => {
      if (things.delete(name)) return undefined;
      throw new ProblemError(problem(404, 'NOT_FOUND', 'there is no such thing'));
    },
  });
  return { routes: [put, remove], failing, things };
}

const url = '/v1/things/one';
const put = { method: 'PUT', url, body: { size: 1 } } as const;

test('a call is checked, done, answered, and told with what it was about', async () => {
  const { routes, things } = thingRoutes();
  const { call, done, refused } = await openFrame(routes);
  const answer = await call(put);
  expect(answer.statusCode).toBe(201);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(answer.json()).toEqual({ name: 'one', size: 1 });
  const gone = await call({ method: 'DELETE', url });
  expect([gone.statusCode, gone.body]).toEqual([204, '']);
  expect(things.size).toBe(0);
  const who = { operator: 'admin', route: '/v1/things/{name}', remote: '127.0.0.1' };
  expect(done).toEqual([
    {
      ...{ ...who, action: 'putThing', method: 'PUT', outcome: 'done', status: 201 },
      ...{ atMs: 1_000_000, details: { name: 'one', operator: 'admin' } },
    },
    {
      ...{ ...who, action: 'removeThing', method: 'DELETE', outcome: 'done', status: 204 },
      ...{ atMs: 1_000_000, details: {} },
    },
  ]);
  expect(refused).toEqual([]);
});

test.each([
  ['a body of another shape', { ...put, body: { size: -1 } }, 400, /^size: /],
  ['no body', { method: 'PUT', url }, 400, /^it: /],
  ['more than is known', { ...put, body: { size: 1, more: 1 } }, 400, /more/],
  ['a parameter too long', { ...put, url: '/v1/things/elevenchars' }, 400, /^name: /],
  ['an unknown query', { ...put, url: `${url}?what=1` }, 400, /what/],
  ['a query given twice', { ...put, url: `${url}?why=1&why=2` }, 400, /why: is given twice/],
  ['a body too large', { ...put, body: { size: 1, pad: ' '.repeat(200) } }, 413, /larger/],
  [
    'another type',
    { ...put, body: 'x', headers: { 'content-type': 'text/xml' } },
    415,
    /JSON|json/,
  ],
  ['what is not there', { method: 'DELETE', url }, 404, /no such thing/],
] as const)('%s is refused, and says what is wrong', async (_what, request, status, detail) => {
  const { routes, things } = thingRoutes();
  const { call, done } = await openFrame(routes);
  const answer = await call({ ...request });
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  const told = problemSchema.parse(answer.json());
  expect(told.status).toBe(status);
  expect(told.detail).toMatch(detail);
  expect(answer.statusCode).toBe(status);
  expect([done.length, things.size]).toEqual([0, 0]);
});

test('a disk that is full is told as such, and when to come again', async () => {
  const { routes, failing } = thingRoutes();
  const { call, refused } = await openFrame(routes);
  failing.with = new StorageError('STORAGE_NO_SPACE', 'the disk is full');
  const answer = await call(put);
  expect(answer.statusCode).toBe(503);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  expect(answer.json()).toMatchObject({ code: 'STORAGE_NO_SPACE', detail: 'the disk is full' });
  expect(refused).toMatchObject([{ outcome: 'STORAGE_NO_SPACE', status: 503, operator: 'admin' }]);
});

test('of what nobody foresaw only that it happened is told', async () => {
  const { routes, failing } = thingRoutes();
  const { call } = await openFrame(routes);
  failing.with = new TypeError('a secret of the house');
  const answer = await call(put);
  expect(answer.statusCode).toBe(500);
  expect(answer.body).not.toContain('secret');
});

test('the first answer is given again, and the work is not done again', async () => {
  const { routes, things } = thingRoutes();
  const { call, done } = await openFrame(routes);
  const headers = { 'idempotency-key': '"a key"' };
  const first = await call({ ...put, headers });
  things.clear();
  const second = await call({ ...put, headers });
  expect(second.body).toBe(first.body);
  expect([first.statusCode, second.statusCode]).toEqual([201, 201]);
  expect(first.headers['idempotency-replayed']).toBeUndefined();
  expect(second.headers['idempotency-replayed']).toBe('true');
  expect([done.length, things.size]).toEqual([1, 0]);
});

test('a refusal is given again too, a failure of the tracker is not', async () => {
  const { routes, failing, things } = thingRoutes();
  const { call } = await openFrame(routes);
  const gone = { method: 'DELETE', url, headers: { 'idempotency-key': 'gone' } } as const;
  const first = await call(gone);
  expect(first.statusCode).toBe(404);
  things.set('one', 1);
  const again = await call(gone);
  expect(again.statusCode).toBe(404);
  expect(again.headers['content-type']).toBe(first.headers['content-type']);
  expect(again.body).toBe(first.body);
  const kept = { ...put, headers: { 'idempotency-key': 'full' } };
  failing.with = new StorageError('STORAGE_NO_SPACE', 'the disk is full');
  expect((await call(kept)).statusCode).toBe(503);
  delete failing.with;
  expect((await call(kept)).statusCode).toBe(201);
});

test.each([
  ['another body', { body: { size: 2 } }],
  ['another path', { url: '/v1/things/two' }],
  ['another query', { url: `${url}?why=not` }],
  ['another method', { method: 'DELETE', body: undefined }],
] as const)('a key that comes again with %s is refused', async (_what, other) => {
  const { routes } = thingRoutes();
  const { call } = await openFrame(routes);
  const headers = { 'idempotency-key': 'k-1' };
  expect((await call({ ...put, headers })).statusCode).toBe(201);
  const { body, ...request } = { ...put, ...other };
  const answer = await call({ ...request, ...(body === undefined ? {} : { body }), headers });
  expect(answer.statusCode).toBe(422);
  expect(answer.json()).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
});

test('a key is kept for a day, and holds for one operator only', async () => {
  const { routes } = thingRoutes();
  const { call, pass, done, app, directory } = await openFrame(routes);
  const { createOperator } = await import('../../../../tracker/rest/operator-files.ts');
  const { token } = await createOperator(directory, 'alice', { now: new Date() });
  const headers = { 'idempotency-key': 'k-1' };
  await call({ ...put, headers });
  const hers = { ...headers, authorization: `Bearer ${token}` };
  expect((await app.inject({ ...put, body: { size: 7 }, headers: hers })).statusCode).toBe(201);
  pass(86_399_000);
  await call({ ...put, headers });
  expect(done.map(({ operator }) => operator)).toEqual(['admin', 'alice']);
  pass(2_000);
  await call({ ...put, headers });
  expect(done.length).toBe(3);
});

test.each(['', '""', 'a b', '"a', 'a"', '"\\""', 'x'.repeat(201), 'é'])(
  'the idempotency key %j is refused',
  async (key) => {
    const { routes, things } = thingRoutes();
    const { call } = await openFrame(routes);
    const answer = await call({ ...put, headers: { 'idempotency-key': key } });
    expect(answer.statusCode).toBe(400);
    expect(things.size).toBe(0);
  },
);

test('a repetition that comes while the first is not answered is told to wait', async () => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let calls = 0;
  const slow = defineRoute({
    id: 'slow',
    method: 'POST',
    path: '/v1/slow',
    tag: 'slow',
    summary: 'Takes its time',
    answer: jsonAnswer(z.undefined(), 'Done.', 204),
    handle: async () => {
      calls += 1;
      return await promise;
    },
  });
  const { call } = await openFrame([slow]);
  const request = { method: 'POST', url: '/v1/slow', headers: { 'idempotency-key': 'k' } } as const;
  const first = call(request);
  await expect.poll(() => calls).toBe(1);
  const second = await call(request);
  expect([second.statusCode, second.headers['retry-after']]).toEqual([409, '1']);
  resolve(undefined);
  expect((await first).statusCode).toBe(204);
  expect((await call(request)).statusCode).toBe(204);
  expect(calls).toBe(1);
});
