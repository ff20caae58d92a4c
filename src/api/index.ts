/**
 * The HTTP interfaces of Starling: schemas of every request and answer, typed clients, and how
 * events are written and read. It carries words to and fro and bounds them; whether signed metadata
 * may be believed is for src/trust to say, and nothing here decides or stores. An application's own
 * client of its settings, settings-client.ts, stands alone.
 */
export { TrackerClient } from './tracker-client.ts';
export type {
  MutationOptions,
  RequestOptions,
  TrackerClientComponents,
  TrackerClientInit,
} from './tracker-client.ts';
export {
  assertSealed,
  openPinnedFetch,
  pinnedFetch,
  readAuthorities,
  type TrackerFetch,
} from './pinned-fetch.ts';
export * from './schemas.ts';
export * from './page-schemas.ts';
export * from './progress-schemas.ts';
export { FetcherClient } from './fetcher-client.ts';
export * from './fetcher-schemas.ts';
export { encodeEvent, EventStream, heartbeat, type EventStreamInit } from './event-stream.ts';
export * from './settings-schemas.ts';
export * from './fleet-schemas.ts';
export { FleetClient } from './fleet-client.ts';
export * from './rollout-schemas.ts';
export { RolloutClient, type RolloutName } from './rollout-client.ts';
