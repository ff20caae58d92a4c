/** How long what each role signs is good for, counted from when it is signed. */
export interface Expiry {
  /** After this, every host refuses all updates until a new root is published. */
  readonly rootMs: number;
  /** How long the releases may go without a signature of the targets key. */
  readonly targetsMs: number;
  /** How long the list of files may go without a signature of the snapshot key. */
  readonly snapshotMs: number;
  /** For how long a host can be kept from hearing of a new release without noticing. */
  readonly timestampMs: number;
}

const dayMs = 86_400_000;

export const defaultExpiry: Expiry = {
  rootMs: 5 * 365 * dayMs,
  targetsMs: 365 * dayMs,
  snapshotMs: 30 * dayMs,
  timestampMs: 30 * dayMs,
};
