/**
 * The second face of this area: who a host is, which hosts belong, and what one end of a sealed
 * connection needs to tell who is at the other. It is apart from index.ts because that loads TUF,
 * which would cost each data thread, and each program that only fetches, time and memory; nothing
 * that is exported here loads more than Node's own modules and base58.
 */
export { everyApp, isAppPattern, matchesApp } from './app-pattern.ts';
export {
  clockSkewMs,
  expired,
  isExpired,
  issueCredential,
  maxCredentialLength,
  mayFetch,
  mayHave,
  mayJoinSwarms,
  memberRoles,
  readCredential,
  revoked,
  verifyCredential,
  type CredentialClaims,
  type MemberRole,
} from './credential.ts';
export { FleetMembership } from './fleet-membership.ts';
export { isFleetId, isPeerId } from './host-key.ts';
export { Identity } from './identity.ts';
export {
  isDue,
  openHostIdentity,
  openPeerCertificate,
  type KeptCertificateInit,
} from './kept-certificate.ts';
export { MembersFile, type MembersFileInit } from './members-file.ts';
export { makePeerCertificate, type PeerCertificate } from './peer-certificate.ts';
export {
  peerIdOfConnection,
  PeerSessions,
  type ConnectionCheck,
  type PeerSession,
} from './peer-connection.ts';
export { newTicketKeys, tlsOptions, type PeerTlsOptions } from './peer-tls.ts';
export { peerIdOfCertificate } from './peer-verification.ts';
export {
  maxRevoked,
  readRevocations,
  signRevocations,
  type RevocationList,
} from './revocation-list.ts';
export { WatchedFile, type WatchedFileInit } from './watched-file.ts';
export { readPrivateFile, replacePrivateFile } from './private-file.ts';
