import { expect, test } from 'vitest';
import type { LaunchPlan } from '../../../fetcher/launch-plan.ts';
import { inheritedEnvironment, planLaunch } from '../../../fetcher/launch-plan.ts';
import { manifestSchema } from '../../../src/image/manifest-schema.ts';

function plan(manifest: Record<string, unknown>): LaunchPlan {
  return planLaunch(
    manifestSchema.parse({
      name: 'web',
      version: '1',
      needs: { PORT: { type: 'port' }, HOST: { type: 'string' } },
      ...manifest,
    }),
    new Map([
      ['PORT', '81'],
      ['HOST', 'localhost'],
    ]),
  );
}

test('a plan has the values of this host in start and health', () => {
  const { start, environment } = plan({ start: ['serve', '--port=${PORT}'], settings: { a: [1] } });
  expect(start).toEqual(['serve', '--port=81']);
  expect(environment).toEqual({ PORT: '81', HOST: 'localhost', STARLING_SETTINGS: '{"a":[1]}' });
  const http = plan({ health: { type: 'http', url: 'http://${HOST}:${PORT}/' } }).health;
  expect(http?.type === 'http' && http.url.href).toBe('http://localhost:81/');
  expect(plan({ health: { type: 'tcp', port: '${PORT}', host: '${HOST}' } }).health).toMatchObject({
    port: 81,
    host: 'localhost',
  });
  expect(plan({ health: { type: 'exec', command: ['ask', '${PORT}'] } }).health).toMatchObject({
    command: ['ask', '81'],
  });
});

test('an image that says nothing of how to stop is asked by SIGTERM and has 10 s', () => {
  expect(plan({}).stop).toEqual({ signal: 'SIGTERM', graceMs: 10_000 });
  expect(plan({ stop: { graceMs: 5 } }).stop).toEqual({ signal: 'SIGTERM', graceMs: 5 });
  expect(plan({ stop: { signal: 'SIGINT' } }).stop).toEqual({ signal: 'SIGINT', graceMs: 10_000 });
});

test.each([
  [{ health: { type: 'http', url: 'file:///${HOST}' } }, 'not an http or https URL'],
  [{ health: { type: 'http', url: '${HOST}' } }, 'not an http or https URL'],
  [{ health: { type: 'tcp', port: '${HOST}' } }, 'localhost, which is not a port'],
  [{ start: ['${MISSING}'] }, 'not among its needs'],
  [{ settings: { long: 'x'.repeat(200_000) } }, 'settings are longer'],
])('a manifest that can not be used is refused: %#', (manifest, why) => {
  expect(() => plan(manifest)).toThrow(
    expect.objectContaining({
      code: 'IMAGE_MANIFEST',
      message: expect.stringContaining(why) as string,
    }),
  );
});

test('an app gets few variables of the host, and always a PATH', () => {
  expect(inheritedEnvironment({ PATH: '/bin', HOME: '/root', SECRET: 'x' })).toEqual({
    PATH: '/bin',
    HOME: '/root',
  });
  expect(inheritedEnvironment({})).toHaveProperty('PATH');
});
