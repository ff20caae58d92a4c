/** What a mutation was answered with. */
export interface KeptAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What is known of a key when a request with it comes. */
export type Begun =
  /** Nothing: the request is to be done, and `finish` called. */
  | { readonly state: 'new' }
  /** It was done: this is the answer. */
  | { readonly state: 'done'; readonly answer: KeptAnswer }
  /** It is being done. */
  | { readonly state: 'inFlight' }
  /** The key belongs to another request. */
  | { readonly state: 'other' };

/**
 * Which mutations were done under which idempotency key
 * (draft-ietf-httpapi-idempotency-key-header). A key holds for one operator.
 */
export interface IdempotencyRecords {
  /**
   * Asks for a key, and takes it if nobody has it; of two at once only one gets `new`.
   * @param id what tells the key of one operator from all others
   * @param fingerprint of the whole request: another one is another request
   */
  begin(id: string, fingerprint: string): Promise<Begun>;
  /** Keeps what a request that was `new` was answered with; undefined: it may be tried again. */
  finish(id: string, answer: KeptAnswer | undefined): Promise<void>;
}

export interface MemoryRecordsInit {
  /** How long an answer is kept. */
  readonly keptMs: number;
  /** How many keys are known at most; beyond it those that were done longest ago are forgotten. */
  readonly maxRecords: number;
  /** The same for the length of all answers together. */
  readonly maxCharacters: number;
}

interface DoneRecord {
  readonly fingerprint: string;
  readonly answer: KeptAnswer;
  readonly expiresMs: number;
}

export const defaultRecords: MemoryRecordsInit = {
  keptMs: 86_400_000,
  maxRecords: 10_000,
  maxCharacters: 16 << 20,
};

/** Records that last as long as the process. Requests in flight are bounded by connections. */
export class MemoryRecords implements IdempotencyRecords {
  readonly #init: MemoryRecordsInit;
  readonly #monotonicMs: () => number;
  readonly #inFlight = new Map<string, string>();
  /** The one that was done first comes first. */
  readonly #done = new Map<string, DoneRecord>();
  #characters = 0;

  constructor(components: { readonly monotonicMs: () => number }, init: MemoryRecordsInit) {
    this.#init = init;
    this.#monotonicMs = components.monotonicMs;
  }

  begin(id: string, fingerprint: string): Promise<Begun> {
    this.#forgetExpired();
    const running = this.#inFlight.get(id);
    if (running !== undefined) {
      return Promise.resolve({ state: running === fingerprint ? 'inFlight' : 'other' });
    }
    const done = this.#done.get(id);
    if (done !== undefined) {
      const isSame = done.fingerprint === fingerprint;
      return Promise.resolve(isSame ? { state: 'done', answer: done.answer } : { state: 'other' });
    }
    this.#inFlight.set(id, fingerprint);
    return Promise.resolve({ state: 'new' });
  }

  finish(id: string, answer: KeptAnswer | undefined): Promise<void> {
    const fingerprint = this.#inFlight.get(id);
    this.#inFlight.delete(id);
    if (answer !== undefined && fingerprint !== undefined) {
      const expiresMs = this.#monotonicMs() + this.#init.keptMs;
      this.#done.set(id, { fingerprint, answer, expiresMs });
      this.#characters += answer.body.length;
      this.#makeRoom();
    }
    return Promise.resolve();
  }

  #forgetExpired(): void {
    const nowMs = this.#monotonicMs();
    for (const [id, record] of this.#done) {
      if (record.expiresMs > nowMs) return;
      this.#forget(id, record);
    }
  }

  #makeRoom(): void {
    const { maxRecords, maxCharacters } = this.#init;
    for (const [id, record] of this.#done) {
      if (this.#done.size <= maxRecords && this.#characters <= maxCharacters) return;
      this.#forget(id, record);
    }
  }

  #forget(id: string, { answer }: DoneRecord): void {
    this.#done.delete(id);
    this.#characters -= answer.body.length;
  }
}
