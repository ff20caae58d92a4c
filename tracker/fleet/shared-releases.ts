import type { FastifyBaseLogger } from 'fastify';
import * as z from 'zod';
import { isStarlingError, RepositoryError } from '../../src/errors.ts';
import type { Published, ReleaseShare, ReleaseStore } from '../release-store.ts';
import type { Change, Store } from '../store/index.ts';
import { parseEntry, put } from './entries.ts';

export interface SharedReleasesComponents {
  readonly store: Store;
  readonly releases: ReleaseStore;
  readonly log: FastifyBaseLogger;
}

const key = 'releases/current';
const text = z.string().min(1);
const publishedSchema = z.object({
  roots: z.array(text),
  set: z
    .object({
      targets: text,
      snapshot: text,
      timestamp: text,
      delegated: z.record(z.string(), text).optional(),
    })
    .optional(),
});

/**
 * Keeps the releases of several trackers the same, by the store: what one publishes is there before it
 * is served, and only on top of what it knows; the others take it over, verified as if it was pushed
 * to them. So no version is ever given to two sets.
 */
export class SharedReleases implements ReleaseShare {
  readonly #components: SharedReleasesComponents;
  /** Of the entry in the store that is served here. */
  #revision = 0;

  constructor(components: SharedReleasesComponents) {
    this.#components = components;
  }

  /** Takes over what others have published, or offers what only this tracker has. */
  async start(): Promise<void> {
    const { store, releases } = this.#components;
    const entry = await store.get(key);
    if (entry !== undefined) await this.onChange({ ...entry });
    else if (releases.current !== undefined) await this.commit(releases.published);
    releases.shareWith(this);
  }

  /** @throws RepositoryError REPOSITORY_ROLLBACK when another tracker was first; StoreError */
  async commit(published: Published): Promise<void> {
    try {
      this.#revision = await this.#components.store.commit({
        expect: [{ key, revision: this.#revision }],
        put: [put(key, published)],
      });
    } catch (error) {
      if (!isStarlingError(error) || error.code !== 'STORE_CONFLICT') throw error;
      throw new RepositoryError(
        'REPOSITORY_ROLLBACK',
        'another tracker has published meanwhile: nothing was taken here, sign on top of that',
        { cause: error },
      );
    }
  }

  /** The store has something that may be news. What does not verify here is said, and left aside. */
  async onChange({ value, revision }: Change): Promise<void> {
    if (value === undefined || revision <= this.#revision) return;
    const { releases, log } = this.#components;
    try {
      await releases.mirror(parseEntry(publishedSchema, { key, value, revision }));
      this.#revision = revision;
    } catch (error) {
      log.error({ err: error }, 'what another tracker has published can not be taken over');
    }
  }

  /** Follows what others publish until the signal aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    const fromRevision = this.#revision;
    for await (const batch of this.#components.store.watch(key, { fromRevision, signal })) {
      for (const change of batch) await this.onChange(change);
    }
  }
}
