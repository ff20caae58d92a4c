import { randomBytes } from 'node:crypto';
import type { PeerCertificate } from './peer-certificate.ts';

/** libp2p TLS specification, "ALPN". */
export const alpnProtocol = 'libp2p';
const ticketKeysBytes = 48;

/** For how long a client resumes a session; then the peer must prove again that it has its key. */
export const maxSessionMs = 3_600_000;

/**
 * Options of node:tls for both sides of a sealed connection. It is plain data: it can be posted to a
 * worker thread (where `ticketKeys` arrives as a Uint8Array, which node:tls takes as well).
 */
export interface PeerTlsOptions {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.3';
  readonly maxVersion: 'TLSv1.3';
  readonly ciphers: string;
  readonly requestCert: true;
  /** No authority has signed what peers show: `peerIdOfConnection` decides. */
  readonly rejectUnauthorized: false;
  readonly ALPNProtocols: string[];
  readonly servername: '';
  readonly ticketKeys: Buffer;
  readonly sessionIdContext: string;
  readonly sessionTimeout: number;
}

/** New keys for the session tickets of one process. All its data threads get the same. */
export const newTicketKeys = (): Buffer => randomBytes(ticketKeysBytes);

/**
 * What both sides of a sealed connection set (libp2p TLS specification, "Handshake Protocol", "ALPN"
 * and "Future Extensibility": TLS 1.3 alone, both show a certificate, `libp2p`, no server name).
 * AES-128-GCM comes first: with AES instructions it is the fastest, and the server's order counts.
 *
 * Ticket keys must never leave the process: whoever has them can be any host to it.
 */
export const tlsOptions = (
  { certificatePem, keyPem }: PeerCertificate,
  ticketKeys: Buffer,
): PeerTlsOptions => ({
  cert: certificatePem,
  key: keyPem,
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
  requestCert: true,
  rejectUnauthorized: false,
  ALPNProtocols: [alpnProtocol],
  servername: '',
  ticketKeys,
  // Of all threads the same: a ticket of another context is not taken.
  sessionIdContext: 'starling',
  sessionTimeout: maxSessionMs / 1_000,
});
