/** Lets one at a time do something under a name; the others wait in the order in which they came. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Does the work when all who came before are done.
   * @returns its result; undefined when the signal aborts before its turn has come
   */
  async take<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const done = Promise.withResolvers<void>();
    const mine = before.then(() => done.promise);
    this.#last.set(name, mine);
    try {
      await untilFirst(before, signal);
      return signal.aborted ? undefined : await work();
    } finally {
      done.resolve();
      if (this.#last.get(name) === mine) this.#last.delete(name);
    }
  }
}

async function untilFirst(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const aborted = Promise.withResolvers<void>();
  const onAbort = () => {
    aborted.resolve();
  };
  signal.addEventListener('abort', onAbort);
  try {
    await Promise.race([turn, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
