import { expect, test } from 'vitest';
import * as z from 'zod';
import { progressOf, announceHost, infoHash } from '../announce-batch.ts';
import { runNewTracker } from '../running-tracker.ts';

const mediaSchema = z.object({ schema: z.record(z.string(), z.unknown()) });
const operationSchema = z.object({
  operationId: z.string(),
  summary: z.string(),
  security: z.array(z.unknown()).optional(),
  parameters: z
    .array(
      z.object({ in: z.string(), name: z.string(), schema: z.record(z.string(), z.unknown()) }),
    )
    .optional(),
  requestBody: z.object({ content: z.record(z.string(), mediaSchema) }).optional(),
  responses: z.record(
    z.string(),
    z.object({ description: z.string(), content: z.record(z.string(), mediaSchema) }),
  ),
});
const documentSchema = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({ schemas: z.record(z.string(), z.record(z.string(), z.unknown())) }),
});
type Document = z.output<typeof documentSchema>;

async function runDescribed() {
  const { tracker, token, publisher } = await runNewTracker();
  const response = await fetch(`${tracker.url}/v1/openapi.json`);
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  const document = documentSchema.parse(await response.json());
  const call = async (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    return await fetch(tracker.url + path, { ...init, headers: { ...headers, ...init.headers } });
  };
  return { tracker, publisher, document, call };
}

/** A checker made of the document alone: what a client that was generated from it would believe. */
function checkerOf({ components }: Document, schema: Record<string, unknown>): z.ZodType {
  const text = JSON.stringify({ ...schema, $defs: components.schemas });
  const local = text.replaceAll('#/components/schemas/', '#/$defs/');
  return z.fromJSONSchema(JSON.parse(local) as Parameters<typeof z.fromJSONSchema>[0]);
}

test('every route of /v1 that is registered is in the document, and no other', async () => {
  const { tracker, document } = await runDescribed();
  const registered = [...tracker.routes]
    .filter(([path]) => path.startsWith('/v1'))
    .flatMap(([path, methods]) => [...methods].map((method) => `${method} ${path}`))
    .filter((route) => !route.startsWith('HEAD '));
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map(
      (method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    ),
  );
  expect(described.toSorted()).toEqual(registered.toSorted());
  expect(described).toContain('GET /v1/openapi.json');
});

test('each operation has a name of its own, its parameters, and its refusals', async () => {
  const { document } = await runDescribed();
  const ids = new Set<string>();
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { operationId, parameters = [], ...operation }] of Object.entries(
      operations,
    )) {
      expect(ids.has(operationId)).toBe(false);
      ids.add(operationId);
      const inPath = parameters.filter((one) => one.in === 'path').map(({ name }) => name);
      expect(inPath).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      const isPublic = operation.security?.length === 0;
      if (!isPublic)
        expect(Object.keys(operation.responses)).toEqual(
          expect.arrayContaining(['400', '401', '403', '429', '503', 'default']),
        );
      const names = parameters.map(({ name }) => name);
      expect(names.includes('idempotency-key')).toBe(method !== 'get');
      for (const [status, { content }] of Object.entries(operation.responses)) {
        const type = status.startsWith('2')
          ? /json$|event-stream$/
          : /^application\/problem\+json$/;
        for (const given of Object.keys(content)) expect(given).toMatch(type);
      }
    }
  }
});

test('parameters of a list are described as what they are', async () => {
  const { document } = await runDescribed();
  const { parameters = [] } = document.paths['/v1/swarms/{infoHash}/hosts']?.get ?? {};
  const limit = parameters.find(({ name }) => name === 'limit');
  expect(limit?.schema).toMatchObject({ type: 'integer', minimum: 1, default: 1_000 });
  expect(limit?.schema).not.toHaveProperty('pattern');
});

test('what calls are answered with is what the document says', async () => {
  const { tracker, publisher, document, call } = await runDescribed();
  await announceHost(tracker, 1, { progress: progressOf(5) });
  await announceHost(tracker, 2, { leftBytes: 0 });
  const swarm = `/v1/swarms/${infoHash}`;
  const release = JSON.stringify(publisher.release('one'));
  const hosts = '/v1/swarms/{infoHash}/hosts';
  const calls: [path: string, template: string, status: number, init?: RequestInit][] = [
    ['/v1/releases', '/v1/releases', 200, { method: 'PUT', body: release }],
    ['/v1/releases', '/v1/releases', 409, { method: 'PUT', body: release }],
    ['/v1/releases', '/v1/releases', 200],
    ['/v1/releases', '/v1/releases', 401, { headers: { authorization: 'Bearer x' } }],
    ['/v1/swarms', '/v1/swarms', 200],
    [swarm, '/v1/swarms/{infoHash}', 200],
    [`/v1/swarms/${'0'.repeat(40)}`, '/v1/swarms/{infoHash}', 404],
    ['/v1/swarms/xy', '/v1/swarms/{infoHash}', 400],
    [`${swarm}/hosts`, hosts, 200],
    [`${swarm}/hosts?limit=1`, hosts, 200],
    [`${swarm}/hosts?limit=0`, hosts, 400],
    ['/v1/openapi.json', '/v1/openapi.json', 200],
  ];
  for (const [path, template, status, init] of calls) {
    const response = await call(path, init);
    expect([path, response.status]).toEqual([path, status]);
    const operation = document.paths[template]?.[(init?.method ?? 'GET').toLowerCase()];
    const [[type, media] = []] = Object.entries(operation?.responses[status]?.content ?? {});
    expect(response.headers.get('content-type')?.split(';')[0]).toBe(type);
    const result = checkerOf(document, media?.schema ?? {}).safeParse(await response.json());
    expect(result.error).toBeUndefined();
  }
});

test('what the document says of a body refuses what the tracker refuses', async () => {
  const { document } = await runDescribed();
  const { requestBody } = document.paths['/v1/releases']?.put ?? {};
  const schema = requestBody?.content['application/json']?.schema ?? {};
  const checker = checkerOf(document, schema);
  const whole = { targets: 'a', snapshot: 'b', timestamp: 'c' };
  expect(checker.safeParse(whole).success).toBe(true);
  expect(checker.safeParse({ ...whole, more: 1 }).success).toBe(false);
  expect(checker.safeParse({ ...whole, targets: '' }).success).toBe(false);
});
