import type { StoreState } from './store.ts';

/** Whether a store takes changes, and who wants to hear of it. */
export class WriteState {
  #state: StoreState;
  readonly #listeners = new Set<(state: StoreState) => void>();

  constructor(initial: StoreState = { isWritable: true }) {
    this.#state = initial;
  }

  get current(): StoreState {
    return this.#state;
  }

  /** Why there are no changes taken now; undefined: they are. */
  get reason(): string | undefined {
    return this.#state.isWritable ? undefined : this.#state.reason;
  }

  onChange(listener: (state: StoreState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Told once: another reason while there is one already only takes its place. */
  turnReadOnly(reason: string): void {
    const wasWritable = this.#state.isWritable;
    this.#state = { isWritable: false, reason };
    if (wasWritable) this.#tell();
  }

  turnWritable(): void {
    if (this.#state.isWritable) return;
    this.#state = { isWritable: true };
    this.#tell();
  }

  #tell(): void {
    const state = this.#state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}
