/**
 * Pure decisions: what to request, and how good a transfer can be at best. No I/O, no clock and no
 * randomness of its own: what a decision depends on is passed in.
 */
export { answerPatienceMs } from './answer-patience.ts';
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
export { act, type ActionResult, type RolloutAction } from './rollout-actions.ts';
export { decide, type RolloutDecision } from './rollout.ts';
export { isMoving, unavailableHosts } from './rollout-limit.ts';
export { permitFor } from './rollout-orders.ts';
export {
  checkPlan,
  defaultRolloutPlan,
  planBounds,
  sizeOf,
  type Amount,
  type RolloutPlan,
} from './rollout-plan.ts';
export { parseAmount, parsePlan } from './rollout-plan-text.ts';
export { previewRollout, type HostPreview, type RolloutPreview } from './rollout-preview.ts';
export { standingOf, type FixableHost, type Standing } from './rollout-standing.ts';
export {
  createRollout,
  permitLeaseMs,
  type Failure,
  type FleetView,
  type HostEntry,
  type HostPhase,
  type HostReport,
  type HostView,
  type Permit,
  type RolloutEvent,
  type RolloutPhase,
  type RolloutState,
  type StopReason,
} from './rollout-state.ts';
export { rolloutStatus, type RolloutStatus, type WaitsFor } from './rollout-status.ts';
export type { MaintenanceWindow, WeeklyInterval } from './rollout-window.ts';
