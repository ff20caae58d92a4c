import { hash } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Durability } from '../image/index.ts';
import { storageError, systemCodeOf } from './file-errors.ts';

const stateSchema = z.strictObject({
  /** The chain of roots, the pinned one first. */
  roots: z.array(z.string()).min(1).max(100_000),
  /** The newest that were verified; with these a rollback is noticed. */
  timestamp: z.string().optional(),
  snapshot: z.string().optional(),
  /** The newest set that was verified as a whole; from this come the releases. */
  set: z
    .strictObject({
      targets: z.string(),
      snapshot: z.string(),
      timestamp: z.string(),
      delegated: z.record(z.string(), z.string()).optional(),
    })
    .optional(),
});

/** What a client has verified so far. */
export type TrustState = z.output<typeof stateSchema>;

/** One file and its copy. The copy is written second, so it is never newer. */
const names = ['trusted.state', 'trusted-copy.state'] as const;
const maxStateBytes = 256 << 20;

/**
 * Keeps what a client has verified, on disk. All of it is in one file that is replaced by one rename,
 * so it never is a mixture of two moments. The file starts with its own SHA-256, and there is a copy:
 * if one is torn or damaged the other still knows the newest versions, or those of one update before,
 * so that damage does not open the door to a rollback.
 */
export class TrustCache {
  readonly #durability: Durability;
  readonly #directory: string;

  constructor(components: { durability: Durability }, init: { directory: string }) {
    this.#durability = components.durability;
    this.#directory = init.directory;
  }

  /**
   * What was kept: undefined when there is nothing yet, `damaged` when there was and none of it can
   * be used.
   * @throws StorageError when neither file can be read for another reason than damage.
   */
  async read(): Promise<TrustState | 'damaged' | undefined> {
    let damaged = false;
    let failure: { readonly error: unknown } | undefined;
    for (const name of names) {
      const path = join(this.#directory, name);
      try {
        const state = parseState(await readBounded(path));
        if (state !== undefined) return state;
        damaged = true;
      } catch (cause) {
        if (systemCodeOf(cause) === 'ENOENT') continue;
        failure ??= { error: storageError(path, 'read', cause) };
      }
    }
    if (failure !== undefined) throw failure.error;
    return damaged ? 'damaged' : undefined;
  }

  /** Returns when the state is on disk, twice. @throws StorageError */
  async write(state: TrustState): Promise<void> {
    const body = JSON.stringify(state);
    const text = `${hash('sha256', body)}\n${body}`;
    await mkdir(this.#directory, { recursive: true });
    for (const name of names) await this.#replace(join(this.#directory, name), text);
  }

  async #replace(path: string, text: string): Promise<void> {
    const fresh = `${path}.new`;
    try {
      {
        await using handle = await open(fresh, 'w', 0o600);
        await handle.writeFile(text);
      }
      await this.#durability.syncFile(fresh);
      await rename(fresh, path);
      await this.#durability.syncDirectory(this.#directory);
    } catch (cause) {
      await rm(fresh, { force: true });
      throw storageError(path, 'written', cause);
    }
  }
}

async function readBounded(path: string): Promise<string> {
  await using handle = await open(path, 'r');
  const { size } = await handle.stat();
  return size > maxStateBytes ? '' : await handle.readFile('utf8');
}

function parseState(text: string): TrustState | undefined {
  const end = text.indexOf('\n');
  const body = text.slice(end + 1);
  if (end < 0 || text.slice(0, end) !== hash('sha256', body)) return undefined;
  try {
    return stateSchema.parse(JSON.parse(body));
  } catch {
    // Written whole, but by a version of Starling that we do not know: as good as damaged.
    return undefined;
  }
}
