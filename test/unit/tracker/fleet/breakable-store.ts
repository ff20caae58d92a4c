import type { ChangeBatch, Store, WatchOptions } from '../../../../tracker/store/index.ts';

/** A real store whose watches of a prefix fail from some moment on, until they are mended. */
export function breakableStore(real: Store): {
  readonly store: Store;
  readonly break: (prefix: string) => void;
  readonly mend: () => void;
} {
  let broken: string | undefined;
  let breaking = new AbortController();
  async function* watch(
    prefix: string,
    { signal, ...options }: WatchOptions,
  ): AsyncGenerator<ChangeBatch> {
    if (prefix === broken) throw new Error('a watch that fails');
    const isBroken = breaking.signal;
    const ended = AbortSignal.any([signal, isBroken]);
    for await (const batch of real.watch(prefix, { ...options, signal: ended })) yield batch;
    if (prefix === broken) throw new Error('a watch that fails');
    if (!signal.aborted && isBroken.aborted) yield* watch(prefix, { ...options, signal });
  }
  const store = new Proxy(real, {
    get: (target, name) => {
      if (name === 'watch') return watch;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return {
    store,
    break: (prefix) => {
      broken = prefix;
      breaking.abort();
      breaking = new AbortController();
    },
    mend: () => {
      broken = undefined;
    },
  };
}
