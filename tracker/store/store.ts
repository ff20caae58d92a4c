import { StoreError } from '../../src/errors.ts';

/** A key with its value, as it was last changed. */
export interface Entry {
  readonly key: string;
  /** JSON text. */
  readonly value: string;
  /** The revision of the commit that changed it last. */
  readonly revision: number;
}

/** What one commit did to one key. */
export interface Change {
  readonly key: string;
  /** Undefined: it was removed. */
  readonly value: string | undefined;
  readonly revision: number;
}

/** Changes of one or more whole commits, oldest first. */
export interface ChangeBatch extends ReadonlyArray<Change> {
  /** This is all that there is below the prefix: what is not in it does not exist any more. */
  readonly isWhole: boolean;
  /** With this batch the watcher knows all that happened up to this revision. */
  readonly revision: number;
}

/** That a key was last changed at this revision; 0: that there is no such key. */
export interface Expectation {
  readonly key: string;
  readonly revision: number;
}

/** What is done together or not at all. Each key may be put or removed once. */
export interface Transaction {
  readonly expect?: readonly Expectation[] | undefined;
  readonly put?: readonly { readonly key: string; readonly value: string }[] | undefined;
  readonly remove?: readonly string[] | undefined;
}

export type StoreState =
  { readonly isWritable: true } | { readonly isWritable: false; readonly reason: string };

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions extends WaitOptions {
  /** Begin behind this key. */
  readonly after?: string | undefined;
  /** At most so many entries, 1 to `storeLimits.entries`, which is the default. */
  readonly limit?: number | undefined;
}

export interface WatchOptions {
  /** The last revision that is known already. */
  readonly fromRevision?: number | undefined;
  readonly signal: AbortSignal;
}

export interface ElectOptions {
  readonly signal: AbortSignal;
  /**
   * Its signal aborts when the leadership is lost; then it must return, and this candidate waits again.
   * What a leader decides goes into commits that expect `fence`: only that makes sure that no two leaders
   * write, since a process may be stopped between a look at the clock and its write. When it returns while
   * it leads, the leadership is given up.
   */
  readonly onElected: (signal: AbortSignal, fence: Expectation) => Promise<void>;
}

/** Reading of the tracker's hard state. */
export interface ReadStore extends AsyncDisposable {
  /** @throws StoreError STORE_FAILED when it can't be read now */
  get(key: string, options?: WaitOptions): Promise<Entry | undefined>;

  /**
   * Entries in the order of their keys.
   * @returns them, and the revision at which they were so; a watch goes on from there
   * @throws StoreError STORE_FAILED when it can't be read now
   */
  list(
    prefix: string,
    options?: ListOptions,
  ): Promise<{ readonly entries: readonly Entry[]; readonly revision: number }>;
}

export interface Store extends ReadStore {
  /** Whether commits are taken. False: the disk is full, etcd is lost, …; `state` says why. */
  readonly isWritable: boolean;
  readonly state: StoreState;
  /** Tells when the store stops taking changes, and when it takes them again. @returns what stops it */
  onStateChange(listener: (state: StoreState) => void): () => void;

  /**
   * Does all of a transaction, or nothing of it.
   * @returns the revision that it made, when it is durable
   * @throws StoreError STORE_CONFLICT: nothing was done, an expectation does not hold; its evidence has
   *   the `keys`. STORE_READ_ONLY: nothing was done, the store takes no changes now. STORE_FAILED: whether
   *   it was done is not known; read before you try again. STORE_TOO_LARGE: nothing was done.
   */
  commit(transaction: Transaction): Promise<number>;

  /**
   * Changes below a prefix, each once and in order. Without `fromRevision`, or when the history does not
   * reach back to it (or it is none of this store's), the first batch is whole: all that there is now.
   * That can come later too, when a watcher is so slow, or was cut off for so long, that history has
   * passed it. While the store can't be reached a watch waits; it ends when `signal` aborts or the store
   * is disposed of.
   */
  watch(prefix: string, options: WatchOptions): AsyncIterable<ChangeBatch>;

  /**
   * Waits to be the one leader of this name among all trackers of this store, and calls `onElected`.
   * @returns when `signal` aborts, or `onElected` has returned as a leader
   * @throws what `onElected` throws while it leads
   */
  elect(name: string, options: ElectOptions): Promise<void>;
}

/** What fits into a store; below what etcd takes by default (128 operations, 1.5 MiB a request). */
export const storeLimits = {
  /** A key: printable ASCII without blank, `~` and DEL. */
  keyBytes: 512,
  valueBytes: 512 << 10,
  transactionBytes: 1 << 20,
  /** Expectations; and changes. */
  operations: 100,
  /** In one answer of `list`. */
  entries: 1_000,
} as const;

/** Keys that begin so are the store's own: not listed below the empty prefix, and put by nobody else. */
export const ownKeys = '~';

const keyPattern = /^[!-}]+$/;

/** The keys from `start` to, not including, `end`. */
export interface KeyRange {
  readonly start: string;
  readonly end: string;
}

/** All keys that begin with the prefix. */
export function rangeOf(prefix: string): KeyRange {
  if (prefix === '') return { start: '', end: ownKeys };
  const last = prefix.charCodeAt(prefix.length - 1);
  return { start: prefix, end: prefix.slice(0, -1) + String.fromCharCode(last + 1) };
}

/** A batch of changes of whole commits. */
export const batchOf = (
  changes: readonly Change[],
  init: { readonly isWhole: boolean; readonly revision: number },
): ChangeBatch => Object.assign([...changes], init);

/** How many entries one answer of `list` may have. */
export function listLimit(limit: number = storeLimits.entries): number {
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`no limit of a list: ${limit}`);
  return Math.min(limit, storeLimits.entries);
}

/**
 * Whether a transaction can be done at all.
 * @returns its size in bytes
 * @throws StoreError STORE_TOO_LARGE; RangeError for keys that can't be any
 */
export function checkTransaction({ expect = [], put = [], remove = [] }: Transaction): number {
  const changed = [...put.map(({ key }) => key), ...remove];
  for (const key of changed) checkKey(key);
  if (new Set(changed).size !== changed.length) {
    throw new RangeError('a transaction changes one key twice');
  }
  if (expect.length > storeLimits.operations || changed.length > storeLimits.operations) {
    throw tooLarge(`more than ${storeLimits.operations} changes or expectations in one commit`);
  }
  let bytes = 0;
  for (const { key, value } of put) {
    const valueBytes = Buffer.byteLength(value);
    if (valueBytes > storeLimits.valueBytes) {
      throw tooLarge(`the value of ${key} has more than ${storeLimits.valueBytes} bytes`);
    }
    bytes += key.length + valueBytes;
  }
  if (bytes > storeLimits.transactionBytes) {
    throw tooLarge(`more than ${storeLimits.transactionBytes} bytes in one commit`);
  }
  return bytes;
}

function checkKey(key: string): void {
  if (key.length > storeLimits.keyBytes || !keyPattern.test(key)) {
    throw new RangeError(`no key of the store: ${JSON.stringify(key.slice(0, 80))}`);
  }
}

const tooLarge = (what: string): StoreError =>
  new StoreError('STORE_TOO_LARGE', `the store refuses this change: ${what}; make it smaller`);

/** The error of a commit whose expectations do not hold for these keys. */
export const conflict = (keys: readonly string[]): StoreError =>
  new StoreError(
    'STORE_CONFLICT',
    `${keys.join(', ')}: changed by somebody else meanwhile; read again, and decide again`,
    { evidence: { keys } },
  );

/** The error of a commit that was not done, because the store takes no changes now. */
export const readOnly = (reason: string, cause?: unknown): StoreError =>
  new StoreError(
    'STORE_READ_ONLY',
    `the store takes no changes now: ${reason}; nothing was changed, try again later`,
    { evidence: { reason }, cause },
  );

/** The error of a commit of which nobody can say whether it was done. */
export const unknownOutcome = (reason: string, cause?: unknown): StoreError =>
  new StoreError(
    'STORE_FAILED',
    `the store failed during a change: ${reason}; whether it was made is not known, so look first`,
    { evidence: { reason }, cause },
  );

/** The error of a read that was not answered. */
export const unreadable = (reason: string, cause?: unknown): StoreError =>
  new StoreError('STORE_FAILED', `the store can't be read now: ${reason}; try again later`, {
    evidence: { reason },
    cause,
  });
