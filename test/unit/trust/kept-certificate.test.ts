import { X509Certificate } from 'node:crypto';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  Identity,
  makePeerCertificate,
  openPeerCertificate,
  peerIdOfCertificate,
} from '../../../src/trust/index.ts';
import { codeOf, temporaryDirectory } from './repository.ts';

const dayMs = 86_400_000;
const now = new Date();
const inDays = (days: number) => new Date(now.getTime() + days * dayMs);

const identity = Identity.generate();
/** What was kept for the identity, and for another. */
let kept: string, foreign: string;

async function keptFor(owner: Identity): Promise<string> {
  const { certificatePem, keyPem } = await makePeerCertificate(owner, { now });
  return certificatePem + keyPem;
}

beforeAll(async () => {
  [kept, foreign] = await Promise.all([keptFor(identity), keptFor(Identity.generate())]);
});

async function fileWith(text: string): Promise<string> {
  const path = join(await temporaryDirectory(), 'identity.key.tls');
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

test('a certificate is made when there is none, for the eyes of its owner, and kept', async () => {
  const path = join(await temporaryDirectory(), 'new', 'identity.key.tls');
  const made = await openPeerCertificate(identity, { path, now });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(made.expiresAt.getTime()).toBeGreaterThan(inDays(364).getTime());
  const again = await openPeerCertificate(identity, { path, now });
  expect(again).toEqual(made);
  const { raw } = new X509Certificate(again.certificatePem);
  expect(peerIdOfCertificate(raw, { now })).toBe(identity.peerId);
});

test('it is used until 60 days before its end, and then another takes its place', async () => {
  const path = await fileWith(kept);
  const { keyPem } = await openPeerCertificate(identity, { path, now: inDays(304) });
  expect(kept).toContain(keyPem);
  expect(await readFile(path, 'utf8')).toBe(kept);
  const { expiresAt } = await openPeerCertificate(identity, { path, now: inDays(306) });
  expect(expiresAt.getTime()).toBeGreaterThan(inDays(306 + 364).getTime());
  expect(await readFile(path, 'utf8')).not.toBe(kept);
});

const [certificateOf, keyOf] = [
  (text: string) => text.slice(0, text.indexOf('-----BEGIN PRIVATE')),
  (text: string) => text.slice(text.indexOf('-----BEGIN PRIVATE')),
];

describe('another is made of a file that', () => {
  test.each([
    ['is empty', () => ''],
    ['is something else', () => 'garbage'],
    ['is cut off', () => kept.slice(0, -40)],
    ['is too long', () => kept + ' '.repeat(100_000)],
    ['has no key', () => certificateOf(kept)],
    ['has a damaged certificate', () => kept.replace(/[A-Z](?=[a-z])/, '0')],
    ['is of another identity', () => foreign],
    ['has the key of another certificate', () => certificateOf(kept) + keyOf(foreign)],
  ])('%s', async (_, content) => {
    const path = await fileWith(content());
    const { certificatePem } = await openPeerCertificate(identity, { path, now });
    const { raw } = new X509Certificate(certificatePem);
    expect(peerIdOfCertificate(raw, { now })).toBe(identity.peerId);
    expect(await readFile(path, 'utf8')).toContain(certificatePem);
  });
});

test('a file that others can read is not used, and left as it is', async () => {
  const path = await fileWith(kept);
  await chmod(path, 0o640);
  expect(await codeOf(() => openPeerCertificate(identity, { path, now }))).toBe('CONFIG_INVALID');
  expect(await readFile(path, 'utf8')).toBe(kept);
});

test('a certificate that can not be kept is used all the same, and that is told', async () => {
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  // Nothing can be made in /proc, not even by root.
  const path = '/proc/identity.key.tls';
  const { certificatePem } = await openPeerCertificate(identity, { path, now, onWarning });
  expect(certificatePem).toContain('BEGIN CERTIFICATE');
  expect(warnings).toEqual([expect.stringContaining(path)]);
});
