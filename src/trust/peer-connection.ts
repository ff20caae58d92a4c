import type { TLSSocket } from 'node:tls';
import { PeerError } from '../errors.ts';
import { alpnProtocol, maxSessionMs } from './peer-tls.ts';
import { peerIdOfCertificate } from './peer-verification.ts';

/** What a client needs to resume a session, and by what it then knows the peer. */
export interface PeerSession {
  /** For `session` of tls.connect(). */
  readonly session: Buffer;
  /** What the peer showed when the session began. */
  readonly certificate: Uint8Array;
  /** When the session began, by a full handshake. */
  readonly begunAt: Date;
}

export interface ConnectionCheck {
  readonly now: Date;
  /** On a client: the session that tls.connect() was given, if any. */
  readonly resumed?: PeerSession | undefined;
  /** The peer id that must be there, if it is known. */
  readonly expected?: string | undefined;
}

/**
 * Who is at the other end of a connection that has had its TLS handshake, full or resumed: it must
 * have shown exactly one certificate, and agreed on `libp2p`. Whether it is a member is for the caller
 * to check. Nothing that it sent may be used before. To be called once for each connection: Node gives
 * a client the certificate once only (it takes it out of OpenSSL's chain), so a second call throws.
 *
 * Of a resumed connection a server gets the client's certificate from the ticket, which only its own
 * process can have made. A client gets nothing from Node (which asks OpenSSL for the chain, and a
 * session keeps only the peer's own certificate), so it is taken from `resumed`: only the peer that
 * had shown it can go on with that session. All checks are made again, of dates also.
 * @throws PeerError PEER_IDENTITY
 */
export function peerIdOfConnection(socket: TLSSocket, check: ConnectionCheck): string {
  return expectedPeerId(certificateOf(socket, check), check);
}

/** Sessions that a client may resume, by where it connects to. The oldest give way to new ones. */
export class PeerSessions {
  readonly #sessions = new Map<string, PeerSession>();
  readonly #maxSessions: number;

  constructor(init: { readonly maxSessions: number }) {
    this.#maxSessions = init.maxSessions;
  }

  /** The newest session with a place, for tls.connect() and then for `accept`. */
  find(place: string, now: Date): PeerSession | undefined {
    const found = this.#sessions.get(place);
    if (found === undefined || isFresh(found.begunAt, now)) return found;
    this.#sessions.delete(place);
    return undefined;
  }

  /**
   * As `peerIdOfConnection`, for a client at its `secureConnect`; and keeps what the peer sends from
   * then on to resume the session by.
   * @throws PeerError PEER_IDENTITY
   */
  accept(place: string, socket: TLSSocket, check: ConnectionCheck): string {
    const certificate = certificateOf(socket, check);
    const peerId = expectedPeerId(certificate, check);
    const { resumed, now } = check;
    const begunAt = resumed !== undefined && socket.isSessionReused() ? resumed.begunAt : now;
    socket.on('session', (session) => {
      this.#keep(place, { session, certificate, begunAt });
    });
    return peerId;
  }

  /** Forgets a place, so that the next connection to it has a full handshake. */
  forget(place: string): void {
    this.#sessions.delete(place);
  }

  #keep(place: string, session: PeerSession): void {
    this.#sessions.delete(place);
    this.#sessions.set(place, session);
    if (this.#sessions.size <= this.#maxSessions) return;
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest);
      return;
    }
  }
}

const isFresh = (begunAt: Date, now: Date): boolean => {
  const ageMs = now.getTime() - begunAt.getTime();
  return ageMs >= 0 && ageMs < maxSessionMs;
};

function expectedPeerId(certificate: Uint8Array, { now, expected }: ConnectionCheck): string {
  const peerId = peerIdOfCertificate(certificate, { now });
  if (expected === undefined || peerId === expected) return peerId;
  throw new PeerError(
    'PEER_IDENTITY',
    `the peer is ${peerId}, and ${expected} was wanted: another host has its address now`,
    { evidence: { expected, actual: peerId } },
  );
}

function certificateOf(socket: TLSSocket, { resumed }: ConnectionCheck): Uint8Array {
  if (socket.alpnProtocol !== alpnProtocol) {
    throw new PeerError(
      'PEER_IDENTITY',
      `the peer did not agree on the application protocol ${alpnProtocol}: it is no Starling host, or something between the hosts ends TLS`,
      { evidence: { expected: alpnProtocol, actual: socket.alpnProtocol } },
    );
  }
  const shown = socket.getPeerX509Certificate();
  if (shown?.issuerCertificate !== undefined) {
    throw new PeerError('PEER_IDENTITY', 'the peer showed more than one certificate');
  }
  const kept = socket.isSessionReused() ? resumed?.certificate : undefined;
  const certificate = shown?.raw ?? kept;
  if (certificate !== undefined) return certificate;
  throw new PeerError(
    'PEER_IDENTITY',
    'the peer showed no certificate, so that nobody knows who it is: a plain TLS client, or a Starling host without an identity',
  );
}
