import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isPeerId, parseHostKey } from '../../../src/trust/host-key.ts';
import { Identity } from '../../../src/trust/identity.ts';
import { ed25519Key, foreignHost } from './certificate-forge.ts';
import { codeOf, temporaryDirectory } from './repository.ts';
import { specificationVectors } from './specification-vectors.ts';

test('an identity is made when it is missing, for the eyes of its owner, and stays the same', async () => {
  const directory = join(await temporaryDirectory(), 'new', 'place');
  const path = join(directory, 'identity.key');
  const made = await Identity.open(path);
  expect(made.peerId).toMatch(/^12D3Koo/);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  expect(await readdir(directory)).toEqual(['identity.key']);
  expect((await Identity.open(path)).peerId).toBe(made.peerId);
});

test('the key in the file is the one that signs', async () => {
  const path = join(await temporaryDirectory(), 'identity.key');
  const identity = await Identity.open(path);
  const publicKey = createPublicKey(createPrivateKey(await readFile(path, 'utf8')));
  const message = Buffer.from('message');
  expect(verify(null, message, publicKey, identity.sign(message))).toBe(true);
});

test('all that make an identity at one time get the same', async () => {
  const path = join(await temporaryDirectory(), 'identity.key');
  const made = await Promise.all(Array.from({ length: 8 }, () => Identity.open(path)));
  expect(new Set(made.map(({ peerId }) => peerId)).size).toBe(1);
  expect((await Identity.open(path)).peerId).toBe(made[0]?.peerId);
});

test.each([0o640, 0o604, 0o620, 0o601])('a file with the mode %i is not used', async (mode) => {
  const path = join(await temporaryDirectory(), 'identity.key');
  await Identity.open(path);
  await chmod(path, mode);
  await expect(Identity.open(path)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('chmod 600') as string,
  });
});

test('what is no ed25519 key is refused and left as it is', async () => {
  const path = join(await temporaryDirectory(), 'identity.key');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = privateKey.export({ type: 'pkcs8', format: 'pem' });
  for (const content of ['', 'garbage', 'x'.repeat(100_000), other]) {
    await writeFile(path, content, { mode: 0o600 });
    expect(await codeOf(() => Identity.open(path))).toBe('CONFIG_INVALID');
    expect(await readFile(path, 'utf8')).toBe(content);
  }
});

test('an identity that can not be read or made is an error of the disk', async () => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, 'file'), '');
  await mkdir(join(directory, 'directory'), { mode: 0o700 });
  for (const path of [join(directory, 'file', 'identity.key'), join(directory, 'directory')]) {
    expect(await codeOf(() => Identity.open(path))).toBe('STORAGE_FAILED');
  }
});

test('the peer id of a host is the one that a data thread reads in its certificate', () => {
  for (let count = 0; count < 50; count++) {
    const identity = Identity.generate();
    expect(parseHostKey(ed25519Key(identity)).peerId).toBe(identity.peerId);
    expect(isPeerId(identity.peerId)).toBe(true);
  }
});

test('a peer id is told from other text', () => {
  for (const name of ['ed25519', 'ecdsa', 'secp256k1'] as const) {
    expect(isPeerId(specificationVectors[name].peerId)).toBe(true);
  }
  expect(isPeerId(parseHostKey(foreignHost('secp256k1').hostKey).peerId)).toBe(true);
  const { peerId } = specificationVectors.ed25519;
  for (const text of [
    '',
    peerId.slice(1),
    peerId.slice(0, -1),
    `${peerId}1`,
    `1${peerId}`,
    `z${peerId}`,
    peerId.replace('K', '0'),
    peerId.toLowerCase(),
    `${peerId} `,
    'bafzaajaiaejcatk5pkgxjhkkcvmvlyeuanr7ntt6ajjsvqmxltwpufvrv2eg3sdt',
    '1'.repeat(38),
    '1'.repeat(1_000_000),
  ]) {
    expect(isPeerId(text), text.slice(0, 80)).toBe(false);
  }
});
