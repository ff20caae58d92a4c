import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { maxMetadataBytes } from './metadata-schema.ts';
import type { RoleName } from './refusals.ts';
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

/**
 * Feeds one run of tuf-js, and remembers what it was fed: tuf-js puts some failures into the text of
 * another error, so the reason of a refusal is found from what was received.
 */
export class MetadataSource {
  /** Each root that was received, in order. */
  readonly roots: string[] = [];
  /** The other files that were received. */
  readonly received = new Map<RoleName, string>();
  /** Those that the repository does not have. */
  readonly missing = new Set<RoleName>();
  /** What ended the run before tuf-js could judge: the network, an abort, or a bad form. */
  failure: { readonly error: unknown } | undefined;
  readonly #fetchMetadata: FetchMetadata;
  readonly #signal: AbortSignal | undefined;

  constructor(
    components: { fetchMetadata: FetchMetadata },
    init: { signal: AbortSignal | undefined },
  ) {
    this.#fetchMetadata = components.fetchMetadata;
    this.#signal = init.signal;
  }

  /** tuf-js asks with this. Its length limit may be a signed one; ours is always the role's own. */
  async downloadBytes(url: string, _maxLength: number): Promise<Buffer> {
    const name = decodeURIComponent(new URL(url).pathname.slice(1));
    const role = roleOf(name);
    const bytes = await this.#receive(name, role);
    if (bytes !== undefined) return bytes;
    if (role !== 'root') this.missing.add(role);
    throw new DownloadHTTPError(`${name} is not in the repository`, 404);
  }

  /** Images come from peers, never from here. */
  downloadFile(): Promise<never> {
    return Promise.reject(new Error('targets are not downloaded from the repository'));
  }

  async #receive(name: string, role: RoleName): Promise<Buffer | undefined> {
    try {
      this.#signal?.throwIfAborted();
      const options = { signal: this.#signal };
      const bytes = await this.#fetchMetadata(name, maxMetadataBytes[role], options);
      if (bytes === undefined) return undefined;
      const text = decodeMetadata(role, bytes);
      if (role === 'root') this.roots.push(text);
      else this.received.set(role, text);
      // The others are compared with a signed hash before anything else is asked of them.
      if (role === 'root' || role === 'timestamp') readDocument(role, text);
      return Buffer.from(bytes);
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

function roleOf(name: string): RoleName {
  const role = /^(?:\d+\.)?(root|timestamp|snapshot|targets)\.json$/.exec(name)?.[1];
  if (role === undefined) throw new Error(`${name} is a file of no role`);
  return role as RoleName;
}
