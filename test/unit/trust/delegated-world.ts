import { hash } from 'node:crypto';
import { join } from 'node:path';
import { completeSet } from '../../../src/trust/complete-set.ts';
import { delegateApp, undelegateApp } from '../../../src/trust/delegate.ts';
import type { MetadataSet, MetadataUpdate } from '../../../src/trust/metadata-set.ts';
import { ReleaseClient } from '../../../src/trust/release-client.ts';
import { signReleaseFile } from '../../../src/trust/sign-release.ts';
import { generateKey, type Keyring, type SigningKey } from '../../../src/trust/signing-key.ts';
import {
  createPublisher,
  edited,
  imageNumber,
  Repository,
  temporaryDirectory,
  versionOf,
  type Publisher,
  type Signed,
} from './repository.ts';

/** These tests cut no power. */
const nothingDurable = {
  syncFile: () => Promise.resolve(),
  syncDirectory: () => Promise.resolve(),
};

/**
 * A repository whose apps are released by teams: the owner delegates, a team signs its own file, and
 * the keys of snapshot and timestamp, which may be a tracker's, do the rest.
 */
export class DelegatedWorld {
  readonly publisher: Publisher;
  readonly repository = new Repository();
  readonly directory: string;
  readonly now: Date;
  set: MetadataSet | undefined;
  /** Each forgery is newer than the one before, so that a host looks at it. */
  #forgeries = 0;

  private constructor(publisher: Publisher, directory: string, now: Date) {
    this.publisher = publisher;
    this.directory = directory;
    this.now = now;
  }

  static async create(now = new Date()): Promise<DelegatedWorld> {
    const directory = join(await temporaryDirectory(), 'trust');
    return new DelegatedWorld(await createPublisher(now), directory, now);
  }

  /** What is served now. */
  get published(): MetadataSet {
    if (this.set === undefined) throw new Error('nothing was published');
    return this.set;
  }

  /** A host that follows these apps; on the same directory it is the same host, restarted. */
  host(apps?: readonly string[]) {
    const { directory, publisher } = this;
    const { fetchMetadata } = this.repository;
    return new ReleaseClient(
      { fetchMetadata, durability: nothingDurable },
      { directory, root: publisher.root, apps },
    );
  }

  /** Signs snapshot and timestamp over what is new, and serves it. */
  publish(update: MetadataUpdate): MetadataSet {
    this.set = this.complete(update);
    this.repository.publish(this.set);
    return this.set;
  }

  complete(update: MetadataUpdate): MetadataSet {
    const { root, keys } = this.publisher;
    return completeSet({ root, keys, now: this.now, current: this.set, update });
  }

  delegate(app: string, team: readonly SigningKey[], threshold = 1): MetadataUpdate {
    const { root, keys } = this.publisher;
    const teamKeys = team.map(({ key }) => key);
    const { now, set: current } = this;
    return delegateApp({ root, keys, now, current, app, teamKeys, threshold });
  }

  undelegate(app: string): MetadataUpdate {
    const { root, keys } = this.publisher;
    return undelegateApp({ root, keys, now: this.now, current: this.set, app });
  }

  /** Signs that a channel now names the image with this number, with whatever keys. */
  release(number: number, keys: Keyring = this.publisher.keys, path = 'hello/stable') {
    const { now, set: current } = this;
    const init = { root: this.publisher.root, keys, now, current };
    return signReleaseFile({ ...init, release: imageNumber(number, path) });
  }

  /**
   * A set with an app's file edited and signed by any keys, and named as if it was good: what the
   * holders of those keys could do together with who holds the keys of snapshot and timestamp.
   */
  forgeDelegated(
    app: string,
    keys: readonly SigningKey[],
    edit: (signed: Signed) => void,
  ): MetadataSet {
    const { set, publisher } = this;
    if (set?.delegated?.[app] === undefined) throw new Error(`${app} has released nothing`);
    const [first = generateKey().key] = keys;
    const text = edited(set.delegated[app], first, (signed) => {
      signed.version += 1;
      edit(signed);
    });
    this.#forgeries += 1;
    const snapshot = edited(set.snapshot, publisher.keys.snapshot, (signed) => {
      signed.version += this.#forgeries;
      signed.meta[`${app}.json`] = described(text);
    });
    const timestamp = edited(set.timestamp, publisher.keys.timestamp, (signed) => {
      signed.version += this.#forgeries;
      signed.meta['snapshot.json'] = described(snapshot);
    });
    return {
      targets: set.targets,
      snapshot,
      timestamp,
      delegated: { ...set.delegated, [app]: text },
    };
  }
}

function described(text: string): Signed['meta'][string] {
  const hashes = { sha256: hash('sha256', text) };
  return { version: versionOf(text), length: Buffer.byteLength(text), hashes };
}
