/**
 * Pure decisions: what to request, and how good a transfer can be at best. No I/O, no clock and no
 * randomness of its own: what a decision depends on is passed in.
 */
export { Bitfield } from './bitfield.ts';
export { worthDoubling, type SourcePace } from './end-game.ts';
export {
  lowerBound,
  type GroupLinks,
  type HostLinks,
  type ImageSize,
  type Topology,
} from './lower-bound.ts';
export {
  heldValue,
  valueKey,
  type HeldValue,
  type ValueSource,
  type ValueSources,
} from './held-value.ts';
export { Injection } from './injection.ts';
export { PiecePicker, type PieceSet } from './piece-picker.ts';
export {
  budgetBytes,
  originAsker,
  originRunPieces,
  originUse,
  type OriginBudget,
  type OriginNeed,
  type OriginUse,
} from './origin.ts';
export {
  OriginLedger,
  type OriginAnswer,
  type OriginLease,
  type OriginReport,
} from './origin-ledger.ts';
export {
  levelBetween,
  PeerGraph,
  type GatewaySlots,
  type GraphNode,
  type Level,
  type PeerGraphInit,
  type Place,
  type Tie,
} from './peer-graph.ts';
export { hasRequestRoom, type RequestRoom } from './request-room.ts';
export { FarRequests, type FarRequest, type Gateways } from './far-requests.ts';
export { rendezvousFirst, rendezvousRank } from './rendezvous.ts';
