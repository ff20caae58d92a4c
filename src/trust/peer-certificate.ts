import { fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { environmentWithCompileCache } from '../compile-cache.ts';
import type { CertificateOrder } from './certificate-child.ts';
import { encodeHostKey } from './host-key.ts';
import type { Identity } from './identity.ts';
import { signedPrefix } from './peer-verification.ts';

/** What a host shows others in TLS, and the key that it proves it with. */
export interface PeerCertificate {
  readonly certificatePem: string;
  /** PKCS#8. It is not the identity's key. */
  readonly keyPem: string;
  /** Others refuse the certificate from then on: make another one before. */
  readonly expiresAt: Date;
}

/** A peer whose clock is late by less takes it all the same. */
const backdatedMs = 86_400_000;
const validMs = 365 * 86_400_000;

/**
 * Makes a certificate by which other hosts know this one (libp2p TLS specification, "Peer
 * Authentication"): self-signed, for a new ECDSA P-256 key, with the identity's public key and its
 * signature over the certificate's. One does for all connections of a process; it is good for a year.
 *
 * What writes X.509 takes as much memory as all else of a fetcher that starts, so a short-lived
 * process does it: of a thread the allocator would keep what was taken. The identity's key stays here.
 */
export async function makePeerCertificate(
  identity: Identity,
  { now }: { readonly now: Date },
): Promise<PeerCertificate> {
  // X.509 has no milliseconds: the certificate ends when it says, and not up to a second before.
  const startMs = Math.floor(now.getTime() / 1_000) * 1_000;
  const expiresAt = new Date(startMs + validMs);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKeyInfo = publicKey.export({ type: 'spki', format: 'der' });
  const certificatePem = await madeByChild({
    privateKeyInfo: privateKey.export({ type: 'pkcs8', format: 'der' }),
    publicKeyInfo,
    signedKey: signedKey(identity, publicKeyInfo),
    notBefore: new Date(startMs - backdatedMs),
    notAfter: expiresAt,
  });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { certificatePem, keyPem, expiresAt };
}

/** @returns the certificate, in PEM */
function madeByChild(order: CertificateOrder): Promise<string> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const module = new URL(`./certificate-child.${extension}`, import.meta.url);
  const child = fork(fileURLToPath(module), {
    execArgv: [],
    env: environmentWithCompileCache(),
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', (pem) => {
      resolve(pem as string);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      reject(new Error(`the process that makes a certificate ended with ${code ?? signal}`));
    });
    // When it has ended before that, its end says more.
    child.send(order, () => undefined);
  });
}

/** libp2p TLS specification, "libp2p Public Key Extension": SignedKey. */
function signedKey(identity: Identity, publicKeyInfo: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = Buffer.concat([Buffer.from(signedPrefix), publicKeyInfo]);
  const hostKey = octets(encodeHostKey(identity.publicKey));
  const signature = octets(identity.sign(message));
  return new Uint8Array([0x30, hostKey.length + signature.length, ...hostKey, ...signature]);
}

/** An OCTET STRING in DER. Of an ed25519 host nothing is longer than 127 bytes. */
const octets = (content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0x04, content.length]), content]);
