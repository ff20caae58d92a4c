/**
 * The HTTP interfaces of Starling: schemas of every request and answer, and a typed client of the
 * tracker. It carries words to and fro and bounds them; whether signed metadata may be believed is
 * for src/trust to say, and nothing here decides or stores.
 */
export { TrackerClient } from './tracker-client.ts';
export type {
  MutationOptions,
  RequestOptions,
  TrackerClientComponents,
  TrackerClientInit,
} from './tracker-client.ts';
export { openPinnedFetch, type TrackerFetch } from './pinned-fetch.ts';
export * from './schemas.ts';
export * from './page-schemas.ts';
export * from './progress-schemas.ts';
export { FetcherClient } from './fetcher-client.ts';
export * from './fetcher-schemas.ts';
