import type { FastifyBaseLogger } from 'fastify';
import * as z from 'zod';
import { isStarlingError, RepositoryError, StoreError } from '../../src/errors.ts';
import type { AuditLog, AuditRecord } from '../audit/index.ts';
import type { Publication } from '../publication.ts';
import type { Published, ReleaseShare, ReleaseStore } from '../release-store.ts';
import { storeLimits, type Change, type Store } from '../store/index.ts';
import { parseEntry, put } from './entries.ts';
import type { Watches } from './watches.ts';

export interface SharedReleasesComponents {
  readonly store: Store;
  readonly audit: AuditLog;
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
  #taking: Promise<void> = Promise.resolve();

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

  /**
   * What an operator published is one commit with its entry in the audit log.
   * @throws RepositoryError REPOSITORY_ROLLBACK when another tracker was first; StoreError, of which
   *   STORE_TOO_LARGE says that all of it does not fit into one value
   */
  async commit(published: Published, publication?: Publication): Promise<void> {
    const { store, audit } = this.#components;
    const transaction = {
      expect: [{ key, revision: this.#revision }],
      put: [put(key, published)],
    };
    try {
      this.#revision =
        publication === undefined
          ? await store.commit(transaction)
          : await audit.commit(transaction, recordOf(publication));
    } catch (error) {
      if (!isStarlingError(error)) throw error;
      if (error.code === 'STORE_TOO_LARGE') throw tooLarge(published, error);
      if (error.code !== 'STORE_CONFLICT') throw error;
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

  /** Takes over what others publish, as long as the watches are not disposed of. @throws StoreError */
  async follow(watches: Watches): Promise<void> {
    await watches.follow(key, {
      onChange: (change) => {
        this.#taking = this.#taking.then(() => this.onChange(change));
      },
    });
  }
}

/** An entry names so many channels; of more, the number is told. */
const mostNamed = 50;

/** What the audit log is told of what an operator has published. */
function recordOf({ actor, action, summary, changed, removed }: Publication): AuditRecord {
  const named = changed.slice(0, mostNamed);
  const gone = removed.slice(0, mostNamed);
  const [only, ...others] = [...changed, ...removed];
  const isOne = only !== undefined && others.length === 0;
  const beyond = changed.length + removed.length - named.length - gone.length;
  return {
    actor,
    action,
    subject: isOne ? `${only.app}/${only.channel}` : 'tuf',
    outcome: 'done',
    detail: {
      ...summary,
      ...(named.length > 0 && {
        releases: named.map(({ app, channel, release, imageId }) =>
          `${app}/${channel} ${release} ${imageId}`.slice(0, 256),
        ),
      }),
      ...(gone.length > 0 && {
        removed: gone.map(({ app, channel }) => `${app}/${channel}`.slice(0, 256)),
      }),
      ...(beyond > 0 && { beyond }),
    },
  };
}

/** One value of the store holds all roots and files: see docs/store.md. */
function tooLarge(published: Published, cause: Error): StoreError {
  const bytes = Buffer.byteLength(put(key, published).value);
  const limit = storeLimits.valueBytes;
  return new StoreError(
    'STORE_TOO_LARGE',
    `the releases of a fleet, with all roots, are one value of its store and may have ${limit} bytes; these have ${bytes}. Nothing was taken. Remove channels that nobody follows, or give the fleet fewer of them; a tracker without fleet.key has no such limit`,
    { evidence: { bytes, limit }, cause },
  );
}
