import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { PeerError } from '../errors.ts';
import { certificateFields, type CertificateFields } from './certificate-fields.ts';
import { parseHostKey } from './host-key.ts';

/** A certificate of an ed25519 host has about 400 bytes. Longer ones are not looked into. */
export const maxCertificateBytes = 4_096;

/** libp2p TLS specification, "libp2p Public Key Extension": what the host's signature begins with. */
export const signedPrefix = 'libp2p-tls-handshake:';

/** The ways to sign a certificate that are accepted: nothing deprecated, and nothing slow. */
const signatureAlgorithms = new Set([
  '300a06082a8648ce3d040302', // ecdsa-with-SHA256
  '300a06082a8648ce3d040303', // ecdsa-with-SHA384
  '300a06082a8648ce3d040304', // ecdsa-with-SHA512
  '300506032b6570', // Ed25519
]);

const certificateCurves = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/**
 * Whose certificate this is: checks all that the libp2p TLS specification ("Peer Authentication")
 * asks for, and returns the host's peer id. That TLS was sent one certificate, and that the peer is
 * the one wanted or a member, is for the caller to check.
 *
 * It is called in data threads for each connection, so this module loads neither @libp2p/crypto nor
 * @peculiar/x509.
 * @param der the certificate; not PEM
 * @throws PeerError PEER_IDENTITY
 */
export function peerIdOfCertificate(der: Uint8Array, { now }: { readonly now: Date }): string {
  if (der.length > maxCertificateBytes) {
    throw refusal(`it has ${der.length} bytes, ${maxCertificateBytes} are allowed`);
  }
  try {
    const fields = certificateFields(der);
    const certificate = new X509Certificate(der);
    checkDates(certificate, now);
    checkSelfSignature(certificate, fields);
    return checkedPeerId(fields);
  } catch (cause) {
    if (cause instanceof PeerError) throw cause;
    throw refusal(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

const refusal = (why: string, cause?: unknown): PeerError =>
  new PeerError(
    'PEER_IDENTITY',
    `the peer's certificate can't be used: ${why}. Its peer id is not known, and nothing is sent to it`,
    { cause },
  );

function checkDates({ validFromDate, validToDate }: X509Certificate, now: Date): void {
  // Written so that a date that can't be read is refused.
  const hasBegun = validFromDate <= now;
  const hasNotEnded = now <= validToDate;
  if (hasBegun && hasNotEnded) return;
  const [from, to, here] = [validFromDate, validToDate, now].map(textOf);
  throw new PeerError(
    'PEER_IDENTITY',
    `the peer's certificate ${hasBegun ? 'has expired' : 'is not valid yet'}: it is good from ${from} to ${to}, and here it is ${here}. Set the clocks of both hosts, or start the peer again, which gives it a new certificate`,
    { evidence: { from, to, here } },
  );
}

const textOf = (date: Date): string =>
  Number.isNaN(date.getTime()) ? 'an unreadable date' : date.toISOString();

/**
 * That the certificate is signed by its own key. The key is taken from our own reading of it, and
 * must be the one in OpenSSL's: TLS has proved that the peer has that one.
 */
function checkSelfSignature(certificate: X509Certificate, fields: CertificateFields): void {
  const algorithm = Buffer.from(fields.signatureAlgorithm).toString('hex');
  if (!signatureAlgorithms.has(algorithm)) {
    throw new Error('it is signed in a way that is deprecated or unknown; ECDSA is best');
  }
  const key = createPublicKey({
    key: Buffer.from(fields.publicKeyInfo),
    format: 'der',
    type: 'spki',
  });
  if (!isKnownKey(key)) throw new Error('its key is of a type that is not accepted');
  if (!key.equals(certificate.publicKey)) throw new Error('its key can be read in two ways');
  if (!certificate.verify(key)) throw new Error('it is not signed by its own key');
}

function isKnownKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  if (asymmetricKeyType === 'ed25519') return true;
  return (
    asymmetricKeyType === 'ec' && certificateCurves.has(asymmetricKeyDetails?.namedCurve ?? '')
  );
}

function checkedPeerId({ publicKeyInfo, hostKey, hostSignature }: CertificateFields): string {
  const key = parseHostKey(hostKey);
  const message = Buffer.concat([Buffer.from(signedPrefix), publicKeyInfo]);
  if (key.verifies(message, hostSignature)) return key.peerId;
  throw new PeerError(
    'PEER_IDENTITY',
    `the peer's certificate says that it is ${key.peerId}, but that host's key has not signed it: somebody pretends to be another host`,
    { evidence: { claimed: key.peerId } },
  );
}
