import { ConfigError } from '../errors.ts';
import type { JoinedSwarm } from './joined-swarm.ts';

/** The swarms that this host is in, and how they share its bandwidth. */
export class JoinedSwarms {
  readonly #byImage = new Map<string, JoinedSwarm>();
  /** By the number that an image has in the data planes, until that is closed. */
  readonly #byKey = new Map<number, JoinedSwarm>();

  [Symbol.iterator](): Iterator<JoinedSwarm> {
    return this.#byImage.values();
  }

  get(imageId: string): JoinedSwarm | undefined {
    return this.#byImage.get(imageId);
  }

  /** @throws ConfigError CONFIG_INVALID when this host has no such image */
  require(imageId: string): JoinedSwarm {
    const joined = this.#byImage.get(imageId);
    if (joined !== undefined) return joined;
    throw new ConfigError('CONFIG_INVALID', `the image ${imageId} is in no swarm of this host`);
  }

  withKey(key: number): JoinedSwarm | undefined {
    return this.#byKey.get(key);
  }

  /** That of the image with this hash, of 20 bytes. */
  find(infoHash: Buffer): JoinedSwarm | undefined {
    for (const joined of this.#byImage.values()) {
      if (joined.swarm.hashes.has(infoHash)) return joined;
    }
    return undefined;
  }

  add(joined: JoinedSwarm): void {
    const { swarm, data } = joined;
    this.#byImage.set(swarm.imageId, joined);
    this.#byKey.set(data.key, joined);
    this.shareOut();
    swarm.completed.then(
      () => {
        this.shareOut();
      },
      () => undefined,
    );
  }

  /** Leaves one; it is known no more from the beginning of that on. */
  async leave(imageId: string): Promise<void> {
    const joined = this.#byImage.get(imageId);
    if (joined === undefined) return;
    this.#byImage.delete(imageId);
    await joined[Symbol.asyncDispose]();
    this.#byKey.delete(joined.data.key);
    this.shareOut();
  }

  async leaveAll(): Promise<void> {
    await Promise.all([...this.#byImage.keys()].map((imageId) => this.leave(imageId)));
  }

  /** Those that fetch share by weight; while none of higher priority does, none stands back. */
  shareOut(): void {
    const all = [...this.#byImage.values()];
    const weights = all.filter(({ swarm }) => !swarm.isWhole).map(({ data }) => data.weight);
    const most = Math.max(0, ...weights);
    for (const { data } of all) data.setShare(most === 0 ? 1 : Math.min(1, data.weight / most));
  }
}
