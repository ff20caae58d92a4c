/**
 * The control plane: a libp2p node that lets only members of the fleet in (`ControlNode`), the session
 * that a host keeps with a tracker (`TrackerSession`, `SessionServer`), how a host becomes a member
 * (`join`, `JoinServer`), and hints that spread from host to host (`Hints`, `PeerLinks`, and
 * `PeerIntroductions` at the tracker).
 * It decides nothing of releases, rollouts and settings, and stores nothing. libp2p is loaded when a
 * node is opened, not with this file.
 */
export { listenAddress, parsePeerAddress, type PeerAddress } from './addresses.ts';
export type { CredentialVerifier } from './credential-verifier.ts';
export { systemClock, type Clock } from './clock.ts';
export { ControlNode, type ControlNodeComponents, type ControlNodeInit } from './control-node.ts';
export type { Hint } from './hint.ts';
export {
  FleetLink,
  type FleetLinkInit,
  type FleetListener,
  type FleetLog,
  type ToldSettings,
} from './fleet-link.ts';
export { FleetVerifier, type FleetVerifierComponents } from './fleet-verifier.ts';
export { Hints, type HintsInit } from './hints.ts';
export type { HostSession } from './host-session.ts';
export { join, type JoinInit } from './join.ts';
export type { JoinAnswer, JoinRequest } from './join-messages.ts';
export { JoinServer, type JoinServerInit } from './join-server.ts';
export { formatJoinToken, parseJoinToken, type JoinToken } from './join-token.ts';
export { channelReportSchema } from './messages.ts';
export type { ChannelReport, Hello, HostMessage, Permit, TrackerMessage } from './messages.ts';
export {
  PeerIntroductions,
  type PeerIntroductionsComponents,
  type PeerIntroductionsInit,
} from './peer-introductions.ts';
export { openFleetLink, type FleetLinkOptions, type OpenedFleetLink } from './open-fleet-link.ts';
export { PeerLinks, type PeerLinksInit } from './peer-links.ts';
export { SessionServer, type SessionServerInit } from './session-server.ts';
export {
  TrackerSession,
  type SessionChange,
  type TrackerSessionComponents,
  type TrackerSessionInit,
} from './tracker-session.ts';
