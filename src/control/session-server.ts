import type { Connection, Stream } from '@libp2p/interface';
import { PeerError } from '../errors.ts';
import type { Clock } from './clock.ts';
import type { ControlNode } from './control-node.ts';
import { FramePipe } from './frame-pipe.ts';
import { emptyFrame, encodeFrame } from './frames.ts';
import { HostSession } from './host-session.ts';
import {
  maxMessageBytes,
  parseHostMessage,
  sessionProtocol,
  type Hello,
  type HostMessage,
  type TimeAnswer,
  type TrackerMessage,
} from './messages.ts';
import { sessionTimings } from './session-timings.ts';

export interface SessionServerInit {
  /** A host is there: it has said hello and been welcomed. What is sent from now on reaches it. */
  readonly onSession: (session: HostSession) => void;
  /** One at a time for a session: while it is being worked on, no more of that host is read. */
  readonly onMessage: (session: HostSession, message: HostMessage) => void | Promise<void>;
  /** It is over; `error` says why when it did not end of itself. */
  readonly onEnd: (session: HostSession, error: PeerError | undefined) => void;
  /** What a host may leave unread, in bytes: more, and its session ends. */
  readonly maxBacklogBytes?: number;
  /** How long a host may be silent, in milliseconds. */
  readonly deadAfterMs?: number;
}

const defaultBacklogBytes = 4 * 1024 * 1024;
const helloTimeoutMs = 5_000;

/** The tracker's end of all sessions. A host has one: a newer one ends the older. */
export class SessionServer implements AsyncDisposable {
  readonly #node: ControlNode;
  readonly #clock: Clock;
  readonly #init: SessionServerInit;
  readonly #sessions = new Map<string, HostSession>();
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly #deadAfterMs: number;
  readonly #sweeper: NodeJS.Timeout;

  private constructor(components: { node: ControlNode; clock: Clock }, init: SessionServerInit) {
    this.#node = components.node;
    this.#clock = components.clock;
    this.#init = init;
    this.#deadAfterMs = init.deadAfterMs ?? sessionTimings.deadAfterMs;
    this.#sweeper = setInterval(() => this.#sweep(), this.#deadAfterMs / 8).unref();
  }

  /** Takes sessions from now on. */
  static async open(
    components: { node: ControlNode; clock: Clock },
    init: SessionServerInit,
  ): Promise<SessionServer> {
    const server = new SessionServer(components, init);
    const handler = (stream: Stream, connection: Connection) => server.#accept(stream, connection);
    await components.node.handle(sessionProtocol, handler, { strangers: false, maxStreams: 2 });
    return server;
  }

  get sessions(): ReadonlyMap<string, HostSession> {
    return this.#sessions;
  }

  /** Says the same to many; it is serialised once. @param to all, when it is not given */
  broadcast(message: TrackerMessage, to: Iterable<HostSession> = this.#sessions.values()): void {
    const frame = encodeFrame(message);
    for (const session of [...to]) session.sendFrame(frame);
  }

  #accept(stream: Stream, connection: Connection): void {
    const running = this.#serve(stream, connection).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #serve(stream: Stream, connection: Connection): Promise<void> {
    let session: HostSession | undefined;
    const pipe = new FramePipe(stream, {
      maxFrameBytes: maxMessageBytes,
      onHeard: () => session?.heard(),
    });
    let error: PeerError | undefined;
    try {
      const hello = await this.#readHello(pipe);
      session = this.#newSession(pipe, connection, hello);
      this.#begin(session);
      await this.#talk(pipe, session);
    } catch (cause) {
      error = this.#errorOf(cause);
      pipe.abort(error);
    }
    if (session === undefined) return;
    session.close('the session is over');
    if (this.#sessions.get(session.peerId) === session) this.#sessions.delete(session.peerId);
    this.#init.onEnd(session, session.endedBy ?? error);
  }

  async #readHello(pipe: FramePipe): Promise<Hello> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(helloTimeoutMs)]);
    const frame = await pipe.read({ signal });
    const message = frame && parseHostMessage(frame);
    if (message?.type === 'hello') return message;
    throw new PeerError('PEER_PROTOCOL', 'the host did not begin its session with a hello');
  }

  #newSession(pipe: FramePipe, connection: Connection, hello: Hello): HostSession {
    return new HostSession(
      { pipe, connection, claimsOf: (id) => this.#node.claimsOf(id), uptime: this.#clock.uptime },
      {
        peerId: connection.remotePeer.toString(),
        hello,
        maxBacklogBytes: this.#init.maxBacklogBytes ?? defaultBacklogBytes,
      },
    );
  }

  #begin(session: HostSession): void {
    const { peerId } = session;
    this.#sessions.get(peerId)?.close('the host has opened another session');
    this.#sessions.set(peerId, session);
    session.send({ type: 'welcome', fleetTime: new Date(this.#clock.now()).toISOString() });
    this.#init.onSession(session);
  }

  async #talk(pipe: FramePipe, session: HostSession): Promise<void> {
    const signal = AbortSignal.any([this.#closing.signal, session.signal]);
    for (;;) {
      const frame = await pipe.read({ signal });
      if (frame === undefined) return;
      if (frame.length === 0) session.sendFrame(emptyFrame);
      const message = frame.length === 0 ? undefined : parseHostMessage(frame);
      if (message === undefined) continue;
      if (message.type === 'time') {
        const leaseTime = new Date(this.#clock.uptime()).toISOString();
        session.sendFrame(encodeFrame({ ...message, leaseTime } satisfies TimeAnswer));
        continue;
      }
      if (message.type === 'hello') {
        throw new PeerError('PEER_PROTOCOL', 'the host said hello a second time');
      }
      await this.#init.onMessage(session, message);
    }
  }

  #errorOf(cause: unknown): PeerError {
    if (cause instanceof PeerError) return cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    return new PeerError('PEER_CLOSED', `the session was ended: ${why}`, { cause });
  }

  #sweep(): void {
    for (const session of this.#sessions.values()) {
      if (session.silentMs < this.#deadAfterMs) continue;
      const what = `the host was silent for ${Math.round(session.silentMs)} ms`;
      session.end(new PeerError('PEER_TIMEOUT', what, { evidence: { peer: session.peerId } }));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweeper);
    await this.#node.unhandle(sessionProtocol);
    this.#closing.abort(new PeerError('PEER_CLOSED', 'the tracker is stopping'));
    await Promise.all(this.#running);
  }
}
