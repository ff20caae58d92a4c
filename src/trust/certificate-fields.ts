import { contextTag, DerReader, derTag } from './der.ts';

/** What the libp2p TLS specification needs of a certificate, as views of it. */
export interface CertificateFields {
  /** The key that the certificate is for: SubjectPublicKeyInfo, encoded (RFC 5280, 4.1). */
  readonly publicKeyInfo: Uint8Array;
  /** How the certificate is signed: AlgorithmIdentifier, encoded. */
  readonly signatureAlgorithm: Uint8Array;
  /** The host's public key, as libp2p encodes it. */
  readonly hostKey: Uint8Array;
  /** The host's signature over the certificate's key. */
  readonly hostSignature: Uint8Array;
}

/** 1.3.6.1.4.1.53594.1.1 (libp2p TLS specification, "libp2p Public Key Extension"). */
const libp2pExtension = Buffer.from('2b0601040183a25a0101', 'hex');

const versionTag = contextTag(0, { constructed: true });
const issuerUniqueIdTag = contextTag(1, { constructed: false });
const subjectUniqueIdTag = contextTag(2, { constructed: false });
const extensionsTag = contextTag(3, { constructed: true });

/**
 * Takes a certificate apart (RFC 5280, 4.1) and finds its one libp2p extension. Names, dates and
 * signature are not looked at.
 * @throws Error that goes on from "the certificate can't be used: "
 */
export function certificateFields(der: Uint8Array): CertificateFields {
  const outer = new DerReader(der);
  const certificate = outer.enter(derTag.sequence);
  outer.end();
  const signed = certificate.enter(derTag.sequence);
  const signatureAlgorithm = certificate.read(derTag.sequence).encoded;
  certificate.read(derTag.bitString);
  certificate.end();

  signed.read(versionTag);
  signed.read(); // serial number
  const innerAlgorithm = signed.read(derTag.sequence).encoded;
  if (!Buffer.from(innerAlgorithm).equals(signatureAlgorithm)) {
    throw new Error('it names two ways in which it is signed');
  }
  signed.read(derTag.sequence); // issuer
  signed.read(derTag.sequence); // validity
  signed.read(derTag.sequence); // subject
  const publicKeyInfo = signed.read(derTag.sequence).encoded;
  const next = signed.nextTag;
  if (next === issuerUniqueIdTag || next === subjectUniqueIdTag) {
    throw new Error('it has a unique id, which the libp2p TLS specification forbids');
  }
  const extensions = signed.readIf(extensionsTag);
  signed.end();
  return { publicKeyInfo, signatureAlgorithm, ...signedKey(extensions?.content) };
}

/** RFC 5280, 4.2: extensions. @throws Error unless exactly one of them is libp2p's */
function signedKey(
  content: Uint8Array | undefined,
): Pick<CertificateFields, 'hostKey' | 'hostSignature'> {
  let found: Uint8Array | undefined;
  if (content !== undefined) {
    const wrapped = new DerReader(content);
    const extensions = wrapped.enter(derTag.sequence);
    wrapped.end();
    while (extensions.nextTag !== undefined) {
      const { isLibp2p, isCritical, value } = readExtension(extensions.enter(derTag.sequence));
      if (isLibp2p) {
        if (found !== undefined) throw new Error('it has the libp2p extension twice');
        found = value;
      } else if (isCritical) {
        throw new Error('it has a critical extension that is unknown here');
      }
    }
  }
  if (found === undefined) {
    throw new Error('it has no libp2p extension, so whoever sent it is no libp2p host');
  }
  return readSignedKey(found);
}

function readExtension(extension: DerReader): {
  isLibp2p: boolean;
  isCritical: boolean;
  value: Uint8Array;
} {
  const id = extension.read(derTag.objectId).content;
  const critical = extension.readIf(derTag.boolean)?.content;
  const value = extension.read(derTag.octetString).content;
  extension.end();
  const isCritical = critical?.[0] !== undefined && critical[0] !== 0;
  return { isLibp2p: libp2pExtension.equals(id), isCritical, value };
}

/** libp2p TLS specification, "libp2p Public Key Extension": SignedKey. */
function readSignedKey(value: Uint8Array): Pick<CertificateFields, 'hostKey' | 'hostSignature'> {
  const outer = new DerReader(value);
  const fields = outer.enter(derTag.sequence);
  outer.end();
  const hostKey = fields.read(derTag.octetString).content;
  const hostSignature = fields.read(derTag.octetString).content;
  fields.end();
  return { hostKey, hostSignature };
}
