/**
 * The second face of this area: who a host is, which hosts belong, and what one end of a sealed
 * connection needs to tell who is at the other. It is apart from index.ts because that loads TUF,
 * which would cost each data thread, and each program that only fetches, time and memory; nothing
 * that is exported here loads more than Node's own modules and base58.
 */
export { isPeerId } from './host-key.ts';
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
