import type { Socket } from 'node:net';
import { retryMinutes, type BencodedAnswer, type HttpAnnounces } from './http-announces.ts';
import type { TrackerMetrics } from './metrics.ts';
import { packAddress } from './peer-address.ts';
import { readPlainGet, type PlainGet } from './plain-get.ts';

export interface FrontLimits {
  /** How long a connection may take to send its first request, and be idle between two. */
  readonly firstRequestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** What is longer is left to the HTTP server to refuse. */
  readonly maxHeaderBytes: number;
}

const lastAnswerTimeoutMs = 1_000;

export interface FrontContext {
  readonly announces: HttpAnnounces;
  readonly metrics: TrackerMetrics;
  /** Gives a connection away, paused, to who speaks what it begins with. */
  readonly handOver: (socket: Socket, begin: Buffer) => void;
  readonly connections: Set<FrontConnection>;
}

/**
 * A connection on which announces and scrapes are answered, until something else arrives: then it
 * is handed over, with what was read, for good.
 */
export class FrontConnection {
  readonly #socket: Socket;
  readonly #context: FrontContext;
  readonly #limits: FrontLimits;
  #address: string | undefined;
  #answered = false;

  constructor(socket: Socket, context: FrontContext, limits: FrontLimits) {
    this.#socket = socket;
    this.#context = context;
    this.#limits = limits;
    socket.setTimeout(limits.firstRequestTimeoutMs);
    socket.on('data', this.#onData);
    socket.on('timeout', this.#onTimeout);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
  }

  /** Ends the connection after what is being sent on it, if the client reads that. */
  end(): void {
    this.#socket.setTimeout(lastAnswerTimeoutMs);
    this.#socket.destroySoon();
  }

  readonly #onData = (data: Buffer): void => {
    const { length } = data;
    const request =
      length > this.#limits.maxHeaderBytes ? undefined : readPlainGet(data.toString('latin1'));
    if (request === undefined) this.#handOver(data);
    else this.#answer(request);
  };

  #answer({ url, keep }: PlainGet): void {
    const { announces, metrics } = this.#context;
    const socket = this.#socket;
    this.#address ??= packAddress(socket.remoteAddress ?? '');
    const isAnnounce = url.startsWith('/announce');
    const answer = isAnnounce ? announces.announce(url, this.#address) : announces.scrape(url);
    metrics.countRequest('GET', isAnnounce ? '/announce' : '/scrape', answer.status);
    const flushed = socket.write(encodeAnswer(answer, keep), 'latin1');
    if (!keep) {
      // All was read and all is sent: nothing is left to wait for.
      if (socket.writableLength === 0) socket.destroy();
      else socket.destroySoon();
      return;
    }
    if (!flushed) this.#untilDrained();
    if (this.#answered) return;
    this.#answered = true;
    socket.setTimeout(this.#limits.keepAliveTimeoutMs);
  }

  /** A client that does not read its answers gets no more of them. */
  #untilDrained(): void {
    const socket = this.#socket;
    socket.pause();
    socket.once('drain', () => socket.resume());
  }

  #handOver(data: Buffer): void {
    const socket = this.#socket;
    this.#context.connections.delete(this);
    socket.setTimeout(0);
    socket.off('data', this.#onData);
    socket.off('timeout', this.#onTimeout);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('close', this.#onClose);
    // It must not flow before somebody listens again.
    socket.pause();
    socket.unshift(data);
    socket.setNoDelay(true);
    this.#context.handOver(socket, data);
  }

  readonly #onTimeout = (): void => {
    this.#socket.destroy();
  };

  readonly #onEnd = (): void => {
    this.#socket.end();
  };

  readonly #onError = (): void => {
    this.#socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#context.connections.delete(this);
  };
}

const statusLines = {
  200: 'HTTP/1.1 200 OK',
  400: 'HTTP/1.1 400 Bad Request',
  503: `HTTP/1.1 503 Service Unavailable\r\nretry-after: ${retryMinutes * 60}`,
};

/** A whole answer, as a binary string. */
function encodeAnswer({ status, body }: BencodedAnswer, keep: boolean): string {
  const connection = keep ? 'keep-alive' : 'close';
  return `${statusLines[status]}\r\ncontent-type: text/plain\r\ndate: ${httpDate(Date.now())}\r\nconnection: ${connection}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

let dateSecond = 0;
let dateText = '';

/** The time as HTTP writes it (RFC 9110), made anew once a second. */
function httpDate(nowMs: number): string {
  const second = Math.floor(nowMs / 1_000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(nowMs).toUTCString();
  }
  return dateText;
}
