import { ownKeys, rangeOf } from './store.ts';

/** Where a store's keys lie among all keys of an etcd cluster. */
export class EtcdKeys {
  readonly #prefix: string;

  /** @param prefix such as `/starling/` */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  encode(key: string): Buffer {
    return Buffer.from(this.#prefix + key);
  }

  /** A key that is the store's own. */
  own(name: string): Buffer {
    return this.encode(ownKeys + name);
  }

  decode(key: Buffer): string {
    return key.toString().slice(this.#prefix.length);
  }

  /** The range of all keys that begin with a prefix, and lie behind `after`. */
  range(prefix: string, after = ''): { key: Buffer; range_end: Buffer } {
    const { start, end } = rangeOf(prefix);
    // The next key behind another is that key and a zero byte.
    const first = after < start ? start : `${after}\0`;
    return { key: this.encode(after === '' ? start : first), range_end: this.encode(end) };
  }
}
