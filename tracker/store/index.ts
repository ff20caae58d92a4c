/**
 * The tracker's hard state: small JSON values under keys, changed by transactions, watched, with one leader
 * at a time among the trackers that share it. On one SQLite file or on etcd. It knows nothing of what the
 * values mean.
 */
export { leadAgain, type LeadAgainInit } from './lead-again.ts';
export {
  openStore,
  openStoreForReading,
  parseStoreUrl,
  storeUrlIn,
  type StorePlace,
} from './open-store.ts';
export {
  conflict,
  storeLimits,
  type Change,
  type ChangeBatch,
  type ElectOptions,
  type Entry,
  type Expectation,
  type ListOptions,
  type ReadStore,
  type Store,
  type StoreState,
  type Transaction,
  type WaitOptions,
  type WatchOptions,
} from './store.ts';
