import { expect, test } from 'vitest';
import * as z from 'zod';
import { isOfThisMachine } from '../../../../tracker/rest/admission.ts';
import { defineRoute, jsonAnswer } from '../../../../tracker/rest/index.ts';
import { openFrame } from './rest-frame.ts';

const secret = defineRoute({
  id: 'secret',
  method: 'GET',
  path: '/v1/secret',
  tag: 'secrets',
  summary: 'A secret',
  answer: jsonAnswer(z.object({ secret: z.int() }), 'It.'),
  handle: () => ({ secret: 42 }),
});

const elsewhere = '198.51.100.7';

test.each([
  [{ tls: undefined }, /--tls-cert and --tls-key.*--rest-in-clear/],
  [{ tls: { port: undefined } }, /call by https$/],
  [{ tls: { port: 7443 } }, /call by https, at port 7443$/],
])(
  'a token in the clear from another machine is refused, and says what to do',
  async (init, said) => {
    const { call } = await openFrame([secret], init);
    const answer = await call({ url: '/v1/secret', remoteAddress: elsewhere });
    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toMatchObject({
      code: 'TLS_REQUIRED',
      detail: expect.stringMatching(said) as string,
    });
    expect((await call({ url: '/v1/secret' })).statusCode).toBe(200);
  },
);

test('whether the token is right is not told in the clear', async () => {
  const { call } = await openFrame([secret]);
  const headers = { authorization: 'Bearer wrong' };
  const answer = await call({ url: '/v1/secret', remoteAddress: elsewhere, headers });
  expect(answer.statusCode).toBe(403);
});

test('with --rest-in-clear it is taken', async () => {
  const { call } = await openFrame([secret], { isInsecure: true });
  expect((await call({ url: '/v1/secret', remoteAddress: elsewhere })).statusCode).toBe(200);
});

test('what is public is so from everywhere, without a token', async () => {
  const { app } = await openFrame([secret]);
  const answer = await app.inject({ url: '/v1/openapi.json', remoteAddress: elsewhere });
  expect(answer.statusCode).toBe(200);
  expect(answer.json<{ openapi: string }>().openapi).toBe('3.1.0');
});

test.each([
  ['127.0.0.1', '127.0.0.1', true],
  ['127.9.9.9', '10.0.0.1', true],
  ['::1', '::1', true],
  ['::ffff:127.0.0.1', '::ffff:10.0.0.1', true],
  ['10.0.0.1', '10.0.0.1', true],
  ['10.0.0.2', '10.0.0.1', false],
  ['::ffff:10.0.0.2', '::ffff:10.0.0.1', false],
  ['fe80::2', 'fe80::1', false],
  ['128.0.0.1', '127.0.0.1', false],
  [undefined, undefined, false],
])('a connection from %s to %s stays on this machine: %s', (remoteAddress, localAddress, is) => {
  expect(isOfThisMachine({ remoteAddress, localAddress } as never)).toBe(is);
});
