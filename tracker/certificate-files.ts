import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../src/errors.ts';
import { systemCode } from './durable-file.ts';

/** A certificate chain and its key, in PEM, that belong together. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFilesInit {
  readonly certPath: string;
  readonly keyPath: string;
  /** How often the files are looked at. A change is taken over at the second look that sees it. */
  readonly intervalMs: number;
  readonly onChange: (certificate: Certificate) => void;
  /** That a change can't be used, and the certificate from before stays. Once for each change. */
  readonly onWarning: (error: unknown) => void;
}

const maxFileBytes = 1 << 20;

/**
 * The certificate that a server shows, from two files. They are looked at by stat(2), as the members
 * file is, and read again when they have changed and settled: whoever renews a certificate writes
 * two files, one after the other.
 */
export class CertificateFiles implements AsyncDisposable {
  /** The one that was read first. */
  readonly first: Certificate;
  readonly #init: CertificateFilesInit;
  readonly #ending = new AbortController();
  readonly #looking: Promise<void>;

  private constructor(init: CertificateFilesInit, first: Certificate, version: string) {
    this.#init = init;
    this.first = first;
    this.#looking = this.#look(version);
  }

  /** @throws ConfigError for files that are missing, or no certificate with its key */
  static async open(init: CertificateFilesInit): Promise<CertificateFiles> {
    const version = await versionOf(init);
    return new CertificateFiles(init, await readCertificate(init), version);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#looking;
  }

  async #look(known: string): Promise<void> {
    let before = known;
    while (await waited(this.#init.intervalMs, this.#ending.signal)) {
      const seen = await versionOf(this.#init);
      const hasSettled = seen === before;
      before = seen;
      if (!hasSettled || seen === known) continue;
      known = seen;
      try {
        this.#init.onChange(await readCertificate(this.#init));
      } catch (error) {
        this.#init.onWarning(error);
      }
    }
  }
}

type Paths = Pick<CertificateFilesInit, 'certPath' | 'keyPath'>;

/** @throws ConfigError that says which file is wrong, and why */
async function readCertificate({ certPath, keyPath }: Paths): Promise<Certificate> {
  const cert = await readPem(certPath, '--tls-cert');
  const key = await readPem(keyPath, '--tls-key');
  const shown = parse(certPath, '--tls-cert', 'certificate', () => new X509Certificate(cert));
  const own = parse(keyPath, '--tls-key', 'private key', () => createPrivateKey(key));
  if (shown.checkPrivateKey(own)) return { cert, key };
  throw new ConfigError(
    'CONFIG_INVALID',
    `the key in ${keyPath} is not that of the first certificate in ${certPath}: give the two that were made together`,
    { evidence: { certPath, keyPath } },
  );
}

function parse<T>(path: string, option: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const evidence = { path };
    const message = `${path} (${option}) holds no ${what} in PEM that can be used`;
    throw new ConfigError('CONFIG_INVALID', message, { cause, evidence });
  }
}

async function readPem(path: string, option: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size <= maxFileBytes) return await readFile(path, 'utf8');
  } catch (cause) {
    const why = systemCode(cause) ?? 'unreadable';
    const message = `the file ${path} (${option}) can't be read (${why})`;
    throw new ConfigError('CONFIG_MISSING', message, { cause, evidence: { path } });
  }
  const message = `the file ${path} (${option}) is too large to be a certificate or a key`;
  throw new ConfigError('CONFIG_INVALID', message, { evidence: { path } });
}

/** What tells one state of the files from another; of those that can't be reached, why. */
async function versionOf({ certPath, keyPath }: Paths): Promise<string> {
  const versions = [certPath, keyPath].map(async (path) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
    } catch (error) {
      return systemCode(error) ?? 'unreadable';
    }
  });
  return (await Promise.all(versions)).join(', ');
}

/** @returns false when it was ended instead */
async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal, ref: false });
    return true;
  } catch {
    return false;
  }
}
