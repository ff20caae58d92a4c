import { createPrivateKey, X509Certificate } from 'node:crypto';
import { ConfigError } from '../errors.ts';
import { storageError, systemCodeOf } from './file-errors.ts';
import { Identity } from './identity.ts';
import { makePeerCertificate, type PeerCertificate } from './peer-certificate.ts';
import { peerIdOfCertificate } from './peer-verification.ts';
import { readPrivateFile, replacePrivateFile } from './private-file.ts';

/** A certificate that ends in less is replaced: long enough that nobody who looks in misses it. */
const renewBeforeMs = 60 * 86_400_000;

/** Both PEMs have about 900 bytes. */
const maxFileBytes = 16_384;

export interface KeptCertificateInit {
  /** The file: the certificate and its key, in PEM. */
  readonly path: string;
  readonly now: Date;
  /** That it can't be kept; it is used all the same, and made anew at the next start. */
  readonly onWarning?: ((message: string, error: unknown) => void) | undefined;
}

/** Whether the certificate is to be replaced by now. */
export const isDue = ({ expiresAt }: PeerCertificate, now: Date): boolean =>
  expiresAt.getTime() - now.getTime() < renewBeforeMs;

/**
 * The certificate that is kept for an identity. It is made anew when there is none, or none that is
 * this identity's, whole and good for another while.
 * @throws ConfigError CONFIG_INVALID when others can get at the file
 * @throws StorageError when it is there and can't be read
 */
export async function openPeerCertificate(
  identity: Identity,
  { path, now, onWarning }: KeptCertificateInit,
): Promise<PeerCertificate> {
  const kept = parse(identity, await readIfThere(path), now);
  if (kept !== undefined && !isDue(kept, now)) return kept;
  const made = await makePeerCertificate(identity, { now });
  try {
    await replacePrivateFile(path, made.certificatePem + made.keyPem);
  } catch (error) {
    // A directory that is mounted read-only, or a full disk, keeps no host from being sealed.
    onWarning?.(`the certificate can't be kept in ${path}`, error);
  }
  return made;
}

/**
 * Who this host is, and the certificate that others can tell it by, which is kept beside the identity.
 * Both are made when they are missing; that takes some tenths of a second, once.
 * @param path the file of the identity
 * @throws ConfigError, StorageError as `Identity.open` and `openPeerCertificate`
 */
export async function openHostIdentity(
  path: string,
  init: Omit<KeptCertificateInit, 'path'>,
): Promise<{ identity: Identity; certificate: PeerCertificate }> {
  const identity = await Identity.open(path);
  const certificate = await openPeerCertificate(identity, { ...init, path: `${path}.tls` });
  return { identity, certificate };
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readPrivateFile(path, maxFileBytes);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return '';
    if (error instanceof ConfigError) throw error;
    throw storageError(path, 'read', error);
  }
}

const form =
  /^(-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n)(-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n)$/;

/** @returns undefined when the text is not a certificate of this identity, with its key */
function parse(identity: Identity, text: string, now: Date): PeerCertificate | undefined {
  const [, certificatePem, keyPem] = form.exec(text) ?? [];
  if (certificatePem === undefined || keyPem === undefined) return undefined;
  try {
    const certificate = new X509Certificate(certificatePem);
    // Others will look at it in the same way.
    if (peerIdOfCertificate(certificate.raw, { now }) !== identity.peerId) return undefined;
    if (!certificate.checkPrivateKey(createPrivateKey(keyPem))) return undefined;
    return { certificatePem, keyPem, expiresAt: certificate.validToDate };
  } catch {
    // Whatever is wrong with it: another one is made.
    return undefined;
  }
}
