import { randomBytes, webcrypto } from 'node:crypto';
import type { Identity } from './identity.ts';
import { signedPrefix } from './peer-verification.ts';

/** What a host shows others in TLS, and the key that it proves it with. */
export interface PeerCertificate {
  readonly certificatePem: string;
  /** PKCS#8. It is in memory only, and is not the identity's. */
  readonly keyPem: string;
  /** Others refuse the certificate from then on: make another one before. */
  readonly expiresAt: Date;
}

const libp2pExtensionId = '1.3.6.1.4.1.53594.1.1';
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A peer whose clock is late by less takes it all the same. */
const backdatedMs = 86_400_000;
const validMs = 365 * 86_400_000;

/** The libp2p key type Ed25519, and a length of 32 (libp2p peer ids specification, "Keys"). */
const ed25519Head = Buffer.from('08011220', 'hex');

/**
 * Makes a certificate by which other hosts know this one (libp2p TLS specification, "Peer
 * Authentication"): self-signed, for a new ECDSA P-256 key, with the identity's public key and its
 * signature over the certificate's. One does for all connections of a process; it is good for a year.
 */
export async function makePeerCertificate(
  identity: Identity,
  { now }: { readonly now: Date },
): Promise<PeerCertificate> {
  // X.509 has no milliseconds: the certificate ends when it says, and not up to a second before.
  const startMs = Math.floor(now.getTime() / 1_000) * 1_000;
  const expiresAt = new Date(startMs + validMs);
  const { subtle } = webcrypto;
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const publicKeyInfo = Buffer.from(await subtle.exportKey('spki', keys.publicKey));

  // @peculiar/x509 wants it there first. Both are loaded here, for only who makes a certificate.
  await import('reflect-metadata');
  const { Extension, PemConverter, X509CertificateGenerator } = await import('@peculiar/x509');
  const parts = {
    serialNumber: serialNumber(),
    notBefore: new Date(startMs - backdatedMs),
    notAfter: expiresAt,
    signingAlgorithm: algorithm,
    keys,
    extensions: [new Extension(libp2pExtensionId, false, signedKey(identity, publicKeyInfo))],
  };
  // Said, because others set the crypto that it takes by default: @libp2p/tls does.
  const certificate = await X509CertificateGenerator.createSelfSigned(parts, webcrypto);
  const key = await subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificatePem: certificate.toString('pem'),
    keyPem: PemConverter.encode(key, 'PRIVATE KEY'),
    expiresAt,
  };
}

/** RFC 5280, 4.1.2.2: positive, unique for the issuer. Its first byte is from 0x40 to 0x7f. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0);
  return bytes.toString('hex');
}

/** libp2p TLS specification, "libp2p Public Key Extension": SignedKey. */
function signedKey(identity: Identity, publicKeyInfo: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = Buffer.concat([Buffer.from(signedPrefix), publicKeyInfo]);
  const hostKey = octets(Buffer.concat([ed25519Head, identity.publicKey]));
  const signature = octets(identity.sign(message));
  return new Uint8Array([0x30, hostKey.length + signature.length, ...hostKey, ...signature]);
}

/** An OCTET STRING in DER. Of an ed25519 host nothing is longer than 127 bytes. */
const octets = (content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0x04, content.length]), content]);
