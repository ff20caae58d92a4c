interface Waiting {
  readonly holds: () => boolean;
  readonly resolve: () => void;
}

/** Lets tests wait for what comes to hold, where somebody tells of each change. */
export class Moments {
  readonly #waiting = new Set<Waiting>();

  changed(): void {
    for (const waiting of this.#waiting) {
      if (!waiting.holds()) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ holds, resolve }));
  }
}
