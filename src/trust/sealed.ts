/**
 * The second face of this area, for data threads: what one end of a sealed connection needs to tell
 * who is at the other. It is apart from index.ts because that loads TUF, which would cost each
 * thread time and memory; nothing that is exported here loads more than node:crypto and base58.
 */
export { isPeerId } from './host-key.ts';
export {
  peerIdOfConnection,
  PeerSessions,
  type ConnectionCheck,
  type PeerSession,
} from './peer-connection.ts';
export { newTicketKeys, tlsOptions, type PeerTlsOptions } from './peer-tls.ts';
export { peerIdOfCertificate } from './peer-verification.ts';
