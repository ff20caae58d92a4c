import {
  request as requestPlain,
  type Agent,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http';
import { request as requestSealed } from 'node:https';
import { PeerError } from '../../errors.ts';

/** A part of one file, or all of it. */
export interface WebRange {
  readonly url: URL;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly fileBytes: number;
}

export interface WebRequestEvents {
  /** Bytes of the range, in their order. */
  onBytes(chunk: Buffer): void;
  onDone(): void;
  /** @param sent false when the server certainly sent nothing of the range */
  onFailed(error: PeerError, sent: boolean): void;
}

/**
 * Asks for a range of a file (RFC 9110, section 14). Only an answer that is exactly this range is
 * taken: redirects, encodings and whole files in place of a part are refused before their body is
 * read.
 */
export class WebRequest {
  readonly range: WebRange;
  /** Milliseconds at which something came last. */
  lastProgressMs: number;
  readonly #agent: Agent;
  readonly #now: () => number;
  readonly #events: WebRequestEvents;
  #request: ClientRequest;
  #response: IncomingMessage | undefined;
  #received = 0;
  #paused = false;
  #closed = false;

  constructor(
    components: { agent: Agent; now: () => number },
    range: WebRange,
    events: WebRequestEvents,
  ) {
    this.range = range;
    this.#agent = components.agent;
    this.#now = components.now;
    this.#events = events;
    this.lastProgressMs = components.now();
    this.#request = this.#send();
  }

  get #isWhole(): boolean {
    return this.range.lengthBytes === this.range.fileBytes;
  }

  get leftBytes(): number {
    return this.range.lengthBytes - this.#received;
  }

  #send(): ClientRequest {
    const { url, offsetBytes, lengthBytes } = this.range;
    const headers: Record<string, string> = {
      accept: '*/*',
      // The bytes are wanted as they are: a range of something encoded is no range of the file.
      'accept-encoding': 'identity',
      'user-agent': 'Starling/0.1',
    };
    if (!this.#isWhole) headers.range = `bytes=${offsetBytes}-${offsetBytes + lengthBytes - 1}`;
    const request = url.protocol === 'https:' ? requestSealed : requestPlain;
    const sent = request(url, { agent: this.#agent, headers });
    sent.on('response', (response) => {
      this.#take(response);
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      this.#onError(error, sent);
    });
    sent.end();
    return sent;
  }

  #onError(error: NodeJS.ErrnoException, sent: ClientRequest): void {
    if (this.#closed || sent !== this.#request) return;
    // A kept connection that the server closes meanwhile says nothing of the server (RFC 9112, 9.3.1).
    if (sent.reusedSocket && this.#response === undefined && isHangUp(error)) {
      this.#request = this.#send();
      return;
    }
    this.#fail(`the request failed: ${error.message}`, error.code !== 'ECONNREFUSED');
  }

  #take(response: IncomingMessage): void {
    if (this.#closed) {
      response.destroy();
      return;
    }
    this.#response = response;
    this.lastProgressMs = this.#now();
    const fault = this.#faultOf(response);
    if (fault !== undefined) {
      this.#fail(fault, response.statusCode === 200 || response.statusCode === 206);
      return;
    }
    response.on('data', (chunk: Buffer) => {
      this.#onData(chunk);
    });
    response.on('end', () => {
      if (this.leftBytes > 0) this.#fail('the body is shorter than the range', true);
    });
    response.on('error', (error) => {
      this.#fail(`the answer broke off: ${error.message}`, true);
    });
    if (this.#paused) response.pause();
  }

  /** Why this answer is not the range. */
  #faultOf({ statusCode, headers }: IncomingMessage): string | undefined {
    const { offsetBytes, lengthBytes, fileBytes } = this.range;
    if (statusCode === 200 && !this.#isWhole) {
      return 'it sends whole files to who asks for a part (a range request was answered with 200)';
    }
    if (statusCode !== 200 && statusCode !== 206) return `it answered with status ${statusCode}`;
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') return `the content is encoded (${encoding.slice(0, 40)})`;
    if (statusCode === 206) {
      const text = headers['content-range'] ?? '';
      const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(text);
      const [first, last, total] = [match?.[1], match?.[2], match?.[3]];
      const fits = Number(first) === offsetBytes && Number(last) === offsetBytes + lengthBytes - 1;
      if (!fits) return `it sent another range (content-range: ${text.slice(0, 80)})`;
      if (total !== '*' && Number(total) !== fileBytes) {
        return `the file there has ${total} bytes, that of the image ${fileBytes}`;
      }
    }
    const length = headers['content-length'];
    if (length === undefined || Number(length) === lengthBytes) return undefined;
    return `it sends ${length.slice(0, 20)} bytes where there are ${lengthBytes}`;
  }

  #onData(chunk: Buffer): void {
    if (this.#closed) return;
    if (chunk.length > this.leftBytes) {
      this.#fail('the body is longer than the range', true);
      return;
    }
    this.#received += chunk.length;
    this.lastProgressMs = this.#now();
    this.#events.onBytes(chunk);
    if (this.leftBytes > 0 || this.#closedNow()) return;
    // After the end of the body the connection can be used again; what is no end is cut off.
    this.#closed = true;
    this.#response?.removeAllListeners('data').once('data', () => this.#request.destroy());
    this.#events.onDone();
  }

  /** Who takes the bytes may close the request meanwhile. */
  #closedNow(): boolean {
    return this.#closed;
  }

  #fail(why: string, sent: boolean): void {
    if (this.#closed) return;
    this.close();
    const { url } = this.range;
    const error = new PeerError('PEER_PROTOCOL', `${url.host}${url.pathname}: ${why}`);
    this.#events.onFailed(error, sent);
  }

  /** Nothing has come for so long. */
  timeOut(): void {
    this.#fail('nothing comes any more', true);
  }

  pause(): void {
    this.#paused = true;
    this.#response?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.lastProgressMs = this.#now();
    this.#response?.resume();
  }

  /** Ends it; the server is told by closing the connection. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#request.destroy();
  }
}

const isHangUp = ({ code }: NodeJS.ErrnoException): boolean =>
  code === 'ECONNRESET' || code === 'EPIPE';
