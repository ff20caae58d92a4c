import type { Connection } from '@libp2p/interface';
import { PeerError } from '../errors.ts';
import type { CredentialClaims } from '../trust/sealed.ts';
import type { FramePipe } from './frame-pipe.ts';
import { encodeFrame } from './frames.ts';
import type { Hello, TrackerMessage } from './messages.ts';

export interface HostSessionComponents {
  readonly pipe: FramePipe;
  readonly connection: Connection;
  readonly claimsOf: (peerId: string) => CredentialClaims | undefined;
  readonly uptime: () => number;
}

/** One host that has a session with this tracker. */
export class HostSession {
  readonly peerId: string;
  /** What it said at the start. */
  readonly hello: Hello;
  /** As a multiaddr. */
  readonly remoteAddress: string;
  readonly #components: HostSessionComponents;
  readonly #maxBacklogBytes: number;
  readonly #ended = new AbortController();
  #claims: CredentialClaims;
  #heardMs: number;
  #endedBy: PeerError | undefined;

  /** @throws PeerError PEER_NOT_MEMBER when the host is no member any more */
  constructor(
    components: HostSessionComponents,
    init: { peerId: string; hello: Hello; maxBacklogBytes: number },
  ) {
    this.peerId = init.peerId;
    this.hello = init.hello;
    this.remoteAddress = components.connection.remoteAddr.toString();
    this.#components = components;
    this.#maxBacklogBytes = init.maxBacklogBytes;
    this.#heardMs = components.uptime();
    const claims = components.claimsOf(init.peerId);
    if (claims === undefined) {
      throw new PeerError('PEER_NOT_MEMBER', `${init.peerId} has shown no credential`);
    }
    this.#claims = claims;
  }

  /** What the newest credential says that the host has shown. */
  get claims(): CredentialClaims {
    this.#claims = this.#components.claimsOf(this.peerId) ?? this.#claims;
    return this.#claims;
  }

  /** Aborted at the end of the session. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** How long nothing has been heard, in milliseconds. */
  get silentMs(): number {
    return this.#components.uptime() - this.#heardMs;
  }

  /** Why this side has ended it; undefined when it has not, or without a fault. */
  get endedBy(): PeerError | undefined {
    return this.#endedBy;
  }

  heard(): void {
    this.#heardMs = this.#components.uptime();
  }

  /** Sends a message, unless the session is over. A host that does not read loses its session. */
  send(message: TrackerMessage): void {
    this.sendFrame(encodeFrame(message));
  }

  /** The same for what `encodeFrame` made. */
  sendFrame(frame: Buffer): void {
    if (this.signal.aborted) return;
    const { pipe } = this.#components;
    const backlogBytes = pipe.backlogBytes + frame.length;
    if (backlogBytes > this.#maxBacklogBytes) {
      const what = `${this.peerId} leaves ${backlogBytes} bytes unread; ${this.#maxBacklogBytes} are the most`;
      this.end(new PeerError('PEER_TIMEOUT', what, { evidence: { peer: this.peerId } }));
      return;
    }
    try {
      pipe.send(frame);
    } catch (error) {
      this.end(error as PeerError);
    }
  }

  /** Ends the session without a fault of the host; its connection stays. */
  close(reason: string): void {
    if (this.signal.aborted) return;
    const error = new PeerError('PEER_CLOSED', reason);
    this.#ended.abort(error);
    this.#components.pipe.abort(error);
  }

  /** Ends the session and the connection under it at once. */
  end(error: PeerError): void {
    if (this.signal.aborted) return;
    this.#endedBy = error;
    this.#ended.abort(error);
    this.#components.connection.abort(error);
  }
}
