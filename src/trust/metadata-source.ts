import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { maxMetadataBytes, topLevelNames, type MetadataForm } from './metadata-schema.ts';
import type { DocumentKind } from './refusals.ts';
import { decodeMetadata, readDocument } from './signed-document.ts';

/**
 * Gets a file of the repository by its name: its bytes, `maxBytes` at most, or undefined when there
 * is none of that name. A failure of the network is thrown.
 */
export type FetchMetadata = (
  name: string,
  maxBytes: number,
  options: { signal?: AbortSignal | undefined },
) => Promise<Uint8Array | undefined>;

/** tuf-js joins names to a URL; ours never leaves this process. */
export const sourceUrl = 'https://repository.invalid/';

interface RoleOfFile {
  readonly kind: DocumentKind;
  readonly name: string;
}

/**
 * Feeds one run of tuf-js, and remembers what it was fed: tuf-js puts some failures into the text of
 * another error, so the reason of a refusal is found from what was received.
 */
export class MetadataSource {
  /** Each root that was received, in order. */
  readonly roots: string[] = [];
  /** The other files that were received, by the name of their role. */
  readonly received = new Map<string, string>();
  /** The roles whose file the repository does not have. */
  readonly missing = new Set<string>();
  /** What ended the run before tuf-js could judge: the network, an abort, or a bad form. */
  failure: { readonly error: unknown } | undefined;
  readonly #fetchMetadata: FetchMetadata;
  readonly #form: MetadataForm;
  readonly #signal: AbortSignal | undefined;

  constructor(
    components: { fetchMetadata: FetchMetadata },
    init: { form: MetadataForm; signal: AbortSignal | undefined },
  ) {
    this.#fetchMetadata = components.fetchMetadata;
    this.#form = init.form;
    this.#signal = init.signal;
  }

  /** The delegated roles whose files were asked for: those received first, in order. */
  get delegated(): string[] {
    const asked = [...this.received.keys(), ...this.missing];
    return asked.filter((name) => !topLevelNames.has(name));
  }

  /** tuf-js asks with this. Its length limit may be a signed one; ours is always the role's own. */
  async downloadBytes(url: string, _maxLength: number): Promise<Buffer> {
    const name = decodeURIComponent(new URL(url).pathname.slice(1));
    const role = roleOf(name);
    const bytes = await this.#receive(name, role);
    if (bytes !== undefined) return bytes;
    if (role.kind !== 'root') this.missing.add(role.name);
    throw new DownloadHTTPError(`${name} is not in the repository`, 404);
  }

  /** Images come from peers, never from here. */
  downloadFile(): Promise<never> {
    return Promise.reject(new Error('targets are not downloaded from the repository'));
  }

  async #receive(file: string, { kind, name }: RoleOfFile): Promise<Buffer | undefined> {
    try {
      this.#signal?.throwIfAborted();
      const options = { signal: this.#signal };
      const bytes = await this.#fetchMetadata(file, maxMetadataBytes[kind], options);
      if (bytes === undefined) return undefined;
      const text = decodeMetadata(kind, bytes, name);
      if (kind === 'root') this.roots.push(text);
      else this.received.set(name, text);
      // The others are compared with a signed hash before anything else is asked of them.
      if (kind === 'root' || kind === 'timestamp') readDocument(kind, text, { form: this.#form });
      return Buffer.from(bytes);
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

/** A version comes first in names, and roles may have dots in theirs. */
function roleOf(file: string): RoleOfFile {
  const name = /^(?:\d+\.)?(.+)\.json$/s.exec(file)?.[1];
  if (name === undefined) throw new Error(`${file} is a file of no role`);
  return { kind: topLevelNames.has(name) ? (name as DocumentKind) : 'delegated', name };
}
