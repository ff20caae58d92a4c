import { generateKeyPairSync, sign, webcrypto, type KeyObject } from 'node:crypto';
import 'reflect-metadata';
import { Extension, X509CertificateGenerator } from '@peculiar/x509';
import { DerReader } from '../../../src/trust/der.ts';
import type { Identity } from '../../../src/trust/index.ts';

export const libp2pExtensionId = '1.3.6.1.4.1.53594.1.1';

/** A P-256 key of a certificate. */
export interface CertificateKeys {
  readonly pair: CryptoKeyPair;
  readonly publicKeyInfo: Buffer;
}

type CryptoKeyPair = webcrypto.CryptoKeyPair;

const p256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export async function newCertificateKeys(
  algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams = p256,
): Promise<CertificateKeys> {
  const pair = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  return {
    pair,
    publicKeyInfo: Buffer.from(await webcrypto.subtle.exportKey('spki', pair.publicKey)),
  };
}

/** A value in DER. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : undefined;
  return Buffer.concat([
    Buffer.from([tag, ...(head ?? [0x82, length >> 8, length & 0xff])]),
    content,
  ]);
}

/** A host's key as libp2p encodes it. */
export const encodedKey = (type: number, data: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0x08, type, 0x12, data.length]), data]);

export const ed25519Key = (identity: Identity): Buffer => encodedKey(1, identity.publicKey);

export const signedMessage = (publicKeyInfo: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('libp2p-tls-handshake:'), publicKeyInfo]);

/** SignedKey of the libp2p TLS specification, from whatever it is given. */
export const signedKey = (hostKey: Uint8Array, signature: Uint8Array): Buffer =>
  der(0x30, der(0x04, hostKey), der(0x04, signature));

/** What an honest host would put into the extension. */
export const honestSignedKey = (identity: Identity, keys: CertificateKeys): Buffer =>
  signedKey(ed25519Key(identity), identity.sign(signedMessage(keys.publicKeyInfo)));

export const libp2pExtension = (value: Uint8Array, critical = false): Extension =>
  new Extension(libp2pExtensionId, critical, new Uint8Array(value));

/** An extension that means nothing to us. */
export const unknownExtension = (critical: boolean): Extension =>
  new Extension('1.2.3.4', critical, new Uint8Array([5, 0]));

export interface Forgery {
  readonly keys: CertificateKeys;
  readonly extensions: Extension[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly signingAlgorithm?: webcrypto.EcdsaParams | webcrypto.RsaHashedImportParams;
}

const day = 86_400_000;

/** A certificate with whatever is wanted in it, signed by its own key. @returns DER */
export async function forgeCertificate(forgery: Forgery): Promise<Buffer> {
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '4001',
    notBefore: forgery.notBefore ?? new Date(Date.now() - day),
    notAfter: forgery.notAfter ?? new Date(Date.now() + day),
    signingAlgorithm: forgery.signingAlgorithm ?? p256,
    keys: forgery.keys.pair,
    extensions: forgery.extensions,
  });
  return Buffer.from(certificate.rawData);
}

/** Signs what a certificate says again, after its bytes were changed by `change`. */
export async function resigned(
  certificate: Uint8Array,
  keys: CertificateKeys,
  change: (signed: Buffer) => Buffer,
): Promise<Buffer> {
  const signed = change(Buffer.from(new DerReader(certificate).enter(0x30).read(0x30).encoded));
  const algorithm = Buffer.from('300a06082a8648ce3d040302', 'hex');
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.pair.privateKey));
  const signature = sign('sha256', signed, { key: pkcs8, format: 'der', type: 'pkcs8' });
  return der(0x30, signed, algorithm, der(0x03, Buffer.from([0]), signature));
}

/** A foreign host's key pair, and its public half as libp2p encodes it. */
export function foreignHost(kind: 'p256' | 'p521' | 'secp256k1' | 'rsa'): {
  privateKey: KeyObject;
  hostKey: Buffer;
} {
  if (kind === 'rsa') {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    return {
      privateKey,
      hostKey: encodedKey(0, publicKey.export({ type: 'spki', format: 'der' })),
    };
  }
  const namedCurve = { p256: 'P-256', p521: 'P-521', secp256k1: 'secp256k1' }[kind];
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  if (kind !== 'secp256k1') return { privateKey, hostKey: encodedKey(3, spki) };
  const point = spki.subarray(-64);
  const compressed = Buffer.concat([
    Buffer.from([2 + (point.readUInt8(63) & 1)]),
    point.subarray(0, 32),
  ]);
  return { privateKey, hostKey: encodedKey(2, compressed) };
}
