import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { ConfigError } from '../../../../src/errors.ts';
import { defineRoute, jsonAnswer } from '../../../../tracker/rest/index.ts';
import {
  createOperator,
  readOperators,
  revokeOperator,
} from '../../../../tracker/rest/operator-files.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';
import { openFrame } from './rest-frame.ts';

const now = new Date('2026-01-01T00:00:00Z');

const whoami = defineRoute({
  id: 'whoami',
  method: 'GET',
  path: '/v1/whoami',
  tag: 'operators',
  summary: 'Who calls',
  answer: jsonAnswer(z.object({ operator: z.string() }), 'Who.'),
  handle: ({ operator }) => ({ operator }),
});

async function openWhoami() {
  const frame = await openFrame([whoami]);
  const ask = async (token: string, remoteAddress = '127.0.0.1') => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await frame.app.inject({ url: '/v1/whoami', headers, remoteAddress });
    return answer.statusCode === 200 ? answer.json<{ operator: string }>().operator : answer;
  };
  return { ...frame, ask };
}

const refusal = expect.objectContaining({ statusCode: 401 }) as unknown;

test('only the digest of a token is kept, in a file that only its owner can read', async () => {
  const directory = await temporaryDirectory();
  const { token } = await createOperator(directory, 'alice', { now, ttlMs: 60_000 });
  expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  const path = join(directory, 'operators', 'alice.json');
  const text = await readFile(path, 'utf8');
  expect(text).not.toContain(token);
  expect(JSON.parse(text)).toEqual({
    sha256: hash('sha256', token),
    createdAt: '2026-01-01T00:00:00.000Z',
    expiresAt: '2026-01-01T00:01:00.000Z',
  });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(directory, 'operators'))).toEqual(['alice.json']);
});

test('operators are listed by name, and one that is revoked is gone', async () => {
  const directory = await temporaryDirectory();
  expect(await readOperators(directory)).toEqual({ operators: [], faults: [] });
  for (const name of ['bob', 'alice', 'ci.deploy-1'])
    await createOperator(directory, name, { now });
  await revokeOperator(directory, 'bob');
  const { operators } = await readOperators(directory);
  expect(operators).toMatchObject([
    { name: 'alice', createdAt: now, expiresAt: undefined },
    { name: 'ci.deploy-1', createdAt: now, expiresAt: undefined },
  ]);
});

test.each(['', 'admin', 'Alice', '../alice', '.a', 'a.', 'a/b', 'a b', 'a'.repeat(65), 'é'])(
  'the name %j is refused',
  async (name) => {
    const directory = await temporaryDirectory();
    await expect(createOperator(directory, name, { now })).rejects.toThrow(ConfigError);
    await expect(revokeOperator(directory, name)).rejects.toThrow(ConfigError);
    expect(await readdir(directory)).toEqual([]);
  },
);

test('of many who want a name at once one gets it, and none is lost', async () => {
  const directory = await temporaryDirectory();
  const wanted = ['a', 'b', 'c', 'a', 'b', 'a'];
  const made = await Promise.allSettled(
    wanted.map((name) => createOperator(directory, name, { now })),
  );
  const failed = made.filter(({ status }) => status === 'rejected');
  expect(failed).toHaveLength(3);
  for (const one of failed) expect(one).toMatchObject({ reason: { code: 'CONFIG_IN_USE' } });
  const { operators } = await readOperators(directory);
  expect(operators.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
});

test('who is not there is not revoked, and a directory that is none is not made', async () => {
  const directory = await temporaryDirectory();
  await expect(revokeOperator(directory, 'nobody')).rejects.toMatchObject({
    code: 'CONFIG_MISSING',
  });
  const nowhere = join(directory, 'typo');
  await expect(createOperator(nowhere, 'alice', { now })).rejects.toThrow(/--dir/);
  expect(await readdir(directory)).toEqual([]);
});

test('a token is known by its name from when it is made until it is revoked', async () => {
  const { ask, token, directory } = await openWhoami();
  expect(await ask(token)).toBe('admin');
  for (let round = 0; round < 2; round++) {
    const alice = await createOperator(directory, 'alice', { now });
    const bob = await createOperator(directory, 'bob', { now });
    expect(await ask(alice.token)).toBe('alice');
    expect(await ask(bob.token)).toBe('bob');
    await revokeOperator(directory, 'alice');
    expect(await ask(alice.token)).toEqual(refusal);
    expect(await ask(bob.token)).toBe('bob');
    await revokeOperator(directory, 'bob');
  }
  expect(await ask(token)).toBe('admin');
});

test('a token that has ended is refused', async () => {
  const { ask, pass, directory } = await openWhoami();
  const made = { now: new Date(1_000_000), ttlMs: 5_000 };
  const { token } = await createOperator(directory, 'alice', made);
  pass(4_999);
  expect(await ask(token)).toBe('alice');
  pass(1);
  expect(await ask(token)).toEqual(refusal);
});

test('a file that can not be used leaves out its operator alone', async () => {
  const { ask, directory, token } = await openWhoami();
  const { token: alice } = await createOperator(directory, 'alice', { now });
  const folder = join(directory, 'operators');
  await writeFile(join(folder, 'bob.json'), '{"sha256":');
  await writeFile(join(folder, 'carol.json'), 'x'.repeat(5_000));
  await writeFile(join(folder, 'admin.json'), await readFile(join(folder, 'alice.json')));
  expect(await ask(alice)).toBe('alice');
  expect(await ask(token)).toBe('admin');
  const { operators, faults } = await readOperators(directory);
  expect(operators.map(({ name }) => name)).toEqual(['alice']);
  expect(faults.map(({ message }) => message)).toEqual([
    expect.stringMatching(/bob.*malformed.*revoke it/) as string,
    expect.stringMatching(/carol/) as string,
  ]);
});

test('all are revoked when the folder is gone', async () => {
  const { ask, directory, token } = await openWhoami();
  const { token: alice } = await createOperator(directory, 'alice', { now });
  expect(await ask(alice)).toBe('alice');
  await rm(join(directory, 'operators'), { recursive: true });
  expect(await ask(alice)).toEqual(refusal);
  expect(await ask(token)).toBe('admin');
});

test.skipIf(process.getuid?.() === 0)(
  'while the files can not be read, operators stay as they were',
  async () => {
    const { ask, directory } = await openWhoami();
    const { token } = await createOperator(directory, 'alice', { now });
    expect(await ask(token)).toBe('alice');
    await chmod(join(directory, 'operators'), 0);
    expect(await ask(token)).toBe('alice');
    await chmod(join(directory, 'operators'), 0o700);
  },
);

test('after many wrong tokens an address waits, also with a right one; others do not', async () => {
  const { ask, token, pass, refused, app } = await openWhoami();
  for (let tries = 0; tries < 20; tries++) expect(await ask(`wrong-${tries}`)).toEqual(refusal);
  const limited = await ask('wrong');
  expect(limited).toMatchObject({ statusCode: 429, headers: { 'retry-after': '3' } });
  expect(await ask(token)).toMatchObject({ statusCode: 429 });
  expect(await ask(token, '::1')).toBe('admin');
  // Without any token nothing was tried.
  expect((await app.inject({ url: '/v1/whoami' })).statusCode).toBe(401);
  pass(3_000);
  expect(await ask(token)).toBe('admin');
  expect(await ask('wrong')).toEqual(refusal);
  expect(await ask('wrong')).toMatchObject({ statusCode: 429 });
  expect(refused).toHaveLength(21);
  expect(refused[0]).toMatchObject({ operator: undefined, outcome: 'UNAUTHORIZED' });
  expect(JSON.stringify(refused)).not.toContain('wrong-1');
});
