import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createKeys, loadKeys } from '../../../src/trust/key-files.ts';
import { readTrustedRoot } from '../../../src/trust/root-chain.ts';
import { codeOf, temporaryDirectory } from './repository.ts';

const now = new Date('2030-01-01T00:00:00.500Z');
const names = ['root.json', 'root.key', 'snapshot.key', 'targets.key', 'timestamp.key'];

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

test('keys are for the eyes of their owner, root.json is for all', async () => {
  const directory = join(await temporaryDirectory(), 'new', 'keys');
  const { rootPath } = await createKeys(directory, { now });
  expect((await readdir(directory)).sort()).toEqual(names);
  expect(await modeOf(directory)).toBe(0o700);
  expect(rootPath).toBe(join(directory, 'root.json'));
  expect(await modeOf(rootPath)).toBe(0o644);
  for (const name of names.filter((name) => name.endsWith('.key'))) {
    expect(await modeOf(join(directory, name)), name).toBe(0o600);
    expect(await readFile(join(directory, name), 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  }
});

test('root.json names four different keys and is signed by the root key', async () => {
  const directory = await temporaryDirectory();
  const { rootPath } = await createKeys(directory, { now, rootExpiresAfterMs: 86_400_000 });
  const { signed } = readTrustedRoot(await readFile(rootPath, 'utf8'));
  expect(signed).toMatchObject({ version: 1, expires: '2030-01-02T00:00:00Z' });
  expect(Object.keys(signed.keys)).toHaveLength(4);
  const keys = await loadKeys(directory);
  for (const role of ['targets', 'snapshot', 'timestamp'] as const) {
    expect(signed.roles[role]).toEqual({ keyids: [keys[role].key.keyID], threshold: 1 });
  }
});

test.each(names)('when %s exists no key is made, and it stays as it is', async (name) => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, name), 'mine');
  expect(await codeOf(() => createKeys(directory, { now }))).toBe('CONFIG_IN_USE');
  expect(await readdir(directory)).toEqual([name]);
  expect(await readFile(join(directory, name), 'utf8')).toBe('mine');
});

test('of two that make keys in one directory at once at most one does', async () => {
  const directory = join(await temporaryDirectory(), 'keys');
  const codes = await Promise.all(
    [1, 2, 3].map(() => codeOf(() => createKeys(directory, { now }))),
  );
  expect(codes.filter((code) => code === 'returned').length).toBeLessThanOrEqual(1);
  const left = (await readdir(directory)).sort();
  expect(left).toEqual(codes.includes('returned') ? names : []);
});

test('keys that can not be written are an error of the disk', async () => {
  const file = join(await temporaryDirectory(), 'file');
  await writeFile(file, '');
  expect(await codeOf(() => createKeys(join(file, 'keys'), { now }))).toBe('STORAGE_FAILED');
});

test.each([0o640, 0o604, 0o620, 0o601])('a key with the mode %i is not used', async (mode) => {
  const directory = await temporaryDirectory();
  await createKeys(directory, { now });
  await chmod(join(directory, 'snapshot.key'), mode);
  await expect(loadKeys(directory)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('chmod 600') as string,
    evidence: { expected: '0600', actual: mode.toString(8).padStart(4, '0') },
  });
});

test('the root key may lie elsewhere, the others must be there', async () => {
  const directory = await temporaryDirectory();
  await createKeys(directory, { now });
  await rm(join(directory, 'root.key'));
  await loadKeys(directory);
  await rm(join(directory, 'timestamp.key'));
  expect(await codeOf(() => loadKeys(directory))).toBe('CONFIG_MISSING');
});

test('what is not an ed25519 key is refused', async () => {
  const directory = await temporaryDirectory();
  await createKeys(directory, { now });
  const path = join(directory, 'targets.key');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = privateKey.export({ type: 'pkcs8', format: 'pem' });
  for (const content of ['', 'garbage', 'x'.repeat(100_000), other]) {
    await writeFile(path, content);
    expect(await codeOf(() => loadKeys(directory))).toBe('CONFIG_INVALID');
  }
  await rm(path);
  await mkdir(path, { mode: 0o700 });
  expect(await codeOf(() => loadKeys(directory))).toBe('STORAGE_FAILED');
});
