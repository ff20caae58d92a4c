/**
 * Moves verified blocks between hosts: the peer wire protocol, connections, what is fetched from
 * whom, and announces to trackers. What an image is stands in ../image, what to fetch next in
 * ../policy. Nothing here can be told to skip verification.
 */
export type { Endpoint } from './announce.ts';
export {
  announceBatchSchema,
  announcesPath,
  maxSwarmsPerBatch,
  type AnnounceBatch,
  type AnnounceBatchAnswer,
  type SwarmAnswer,
  type SwarmClaim,
  type SwarmProgress,
} from './announce-batch.ts';
export { Exchange } from './exchange.ts';
export {
  defaultExchangeInit,
  type ExchangeComponents,
  type AppsInit,
  type ExchangeInit,
  type ExchangeSeal,
} from './exchange-init.ts';
export type { FleetInit } from './fleet-files.ts';
export { Seal, type SealInit } from './seal.ts';
export type { LimitChange, Priority, RateLimits, SwarmLimits } from './swarm-data.ts';
export { cancellableDelay } from './delay.ts';
export type { Swarm } from './swarm.ts';
export type { SwarmState, SwarmStatus } from './swarm-status.ts';
