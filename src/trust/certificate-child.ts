// @peculiar/x509 wants it there first.
import 'reflect-metadata';
import { Extension, X509CertificateGenerator } from '@peculiar/x509';
import { randomBytes, webcrypto } from 'node:crypto';
import { once } from 'node:events';

/** What is to be in a certificate. */
export interface CertificateOrder {
  /** The certificate's own key: PKCS#8 and SubjectPublicKeyInfo, in DER. */
  readonly privateKeyInfo: Uint8Array<ArrayBuffer>;
  readonly publicKeyInfo: Uint8Array<ArrayBuffer>;
  /** The value of the libp2p extension. */
  readonly signedKey: Uint8Array<ArrayBuffer>;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** The only place where X.509 is written; see peer-certificate.ts for the other end. */

const libp2pExtensionId = '1.3.6.1.4.1.53594.1.1';
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** RFC 5280, 4.1.2.2: positive, unique for the issuer. Its first byte is from 0x40 to 0x7f. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0);
  return bytes.toString('hex');
}

const [order] = (await once(process, 'message')) as [CertificateOrder];
const { subtle } = webcrypto;
const keys = {
  privateKey: await subtle.importKey('pkcs8', order.privateKeyInfo, algorithm, false, ['sign']),
  publicKey: await subtle.importKey('spki', order.publicKeyInfo, algorithm, true, ['verify']),
};
const certificate = await X509CertificateGenerator.createSelfSigned(
  {
    serialNumber: serialNumber(),
    notBefore: order.notBefore,
    notAfter: order.notAfter,
    signingAlgorithm: algorithm,
    keys,
    extensions: [new Extension(libp2pExtensionId, false, order.signedKey)],
  },
  webcrypto,
);
process.send?.(`${certificate.toString('pem').trimEnd()}\n`);
process.disconnect();
