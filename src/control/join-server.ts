import type { Connection, Stream } from '@libp2p/interface';
import { isStarlingError, PeerError } from '../errors.ts';
import { ipOf } from './addresses.ts';
import type { Clock } from './clock.ts';
import type { ControlNode } from './control-node.ts';
import { FramePipe } from './frame-pipe.ts';
import { decodeFrame } from './frames.ts';
import {
  joinProtocol,
  joinRequestSchema,
  maxJoinBytes,
  type JoinAnswer,
  type JoinRequest,
} from './join-messages.ts';
import { parseAs } from './messages.ts';
import { RateLimit, type RateLimitInit } from './rate-limit.ts';

export interface JoinServerInit {
  /**
   * Decides on a request of a peer that has proved its peer id. What it throws of our own errors is
   * what the host is told; any other says only that it failed.
   */
  readonly onJoin: (request: JoinRequest, peerId: string, remote: string) => Promise<JoinAnswer>;
  /** A request was refused, and why; `remote` is an IP address. */
  readonly onRefused?: (peerId: string, remote: string, error: Error) => void;
  /** How many requests are taken from one IP address. */
  readonly rate?: Omit<RateLimitInit, 'maxKeys'>;
  /** And from all together. */
  readonly totalRate?: Omit<RateLimitInit, 'maxKeys'>;
}

const defaults = {
  rate: { perSecond: 2, burst: 32 },
  totalRate: { perSecond: 100, burst: 400 },
};
const maxAddresses = 4_096;
/** To write down a member may take a while; the connection stays open as long. */
const answerMs = 15_000;
const everybody = 'everybody';

/** The tracker's end of joining: the one thing that a stranger may ask. */
export class JoinServer implements AsyncDisposable {
  readonly #node: ControlNode;
  readonly #init: JoinServerInit;
  readonly #limit: RateLimit;
  readonly #totalLimit: RateLimit;
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  private constructor(components: { node: ControlNode; clock: Clock }, init: JoinServerInit) {
    this.#node = components.node;
    this.#init = init;
    const { rate = defaults.rate, totalRate = defaults.totalRate } = init;
    this.#limit = new RateLimit(components.clock, { ...rate, maxKeys: maxAddresses });
    this.#totalLimit = new RateLimit(components.clock, { ...totalRate, maxKeys: 1 });
  }

  /** Takes requests from now on. */
  static async open(
    components: { node: ControlNode; clock: Clock },
    init: JoinServerInit,
  ): Promise<JoinServer> {
    const server = new JoinServer(components, init);
    const handler = (stream: Stream, connection: Connection) => server.#accept(stream, connection);
    await components.node.handle(joinProtocol, handler, { strangers: true, maxStreams: 1 });
    return server;
  }

  #accept(stream: Stream, connection: Connection): void {
    const running = this.#serve(stream, connection).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #serve(stream: Stream, connection: Connection): Promise<void> {
    const peerId = connection.remotePeer.toString();
    const remote = ipOf(connection.remoteAddr);
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(answerMs)]);
    const pipe = new FramePipe(stream, { maxFrameBytes: maxJoinBytes });
    try {
      pipe.send(await this.#answer(pipe, connection, { peerId, remote, signal }));
      await pipe.close({ signal });
    } catch (error) {
      pipe.abort(error as Error);
    }
  }

  async #answer(
    pipe: FramePipe,
    connection: Connection,
    from: { peerId: string; remote: string; signal: AbortSignal },
  ): Promise<Readonly<Record<string, unknown>>> {
    const { peerId, remote, signal } = from;
    try {
      if (!this.#limit.take(remote) || !this.#totalLimit.take(everybody)) {
        throw new PeerError('PEER_TIMEOUT', 'too many ask to join now; ask again in a minute');
      }
      const frame = await pipe.read({ signal });
      if (frame === undefined) throw new PeerError('PEER_CLOSED', 'there was no request');
      const request = parseAs(joinRequestSchema, decodeFrame(frame), 'a request to join');
      if (this.#node.claimsOf(peerId) === undefined) this.#node.extend(connection, answerMs);
      return { ...(await this.#init.onJoin(request, peerId, remote)) };
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      this.#init.onRefused?.(peerId, remote, error);
      const refused = isStarlingError(error)
        ? { code: error.code, message: error.message.slice(0, 1_000) }
        : { code: 'TRACKER_FAILED', message: 'the tracker failed; its log says why' };
      return { refused };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node.unhandle(joinProtocol);
    this.#closing.abort(new PeerError('PEER_CLOSED', 'the tracker is stopping'));
    await Promise.all(this.#running);
  }
}
