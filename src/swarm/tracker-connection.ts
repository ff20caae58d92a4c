import { once } from 'node:events';
import {
  Agent as HttpAgent,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { TrackerError, whyUnreachable } from '../errors.ts';
import {
  announcesPath,
  parseAnnounceAnswer,
  type AnnounceBatch,
  type AnnounceBatchAnswer,
} from './announce-batch.ts';

export interface TrackerConnectionInit {
  /** The tracker's base URL, http or https. */
  readonly url: string;
  /** The only certificates that are believed of it, in PEM; else those that the system knows. */
  readonly authorities?: string | undefined;
  /** The connection was closed by the other side, or broke: the tracker may be gone. */
  readonly onLost: () => void;
}

const timeoutMs = 10_000;
/** As long as any interval; the agent heeds what a tracker says of its own only where that is less. */
const idleTimeoutMs = 86_400_000;
const maxAnswerBytes = 8 << 20;
/** What answers so has no such resource: it is a tracker, but not ours. */
const foreignStatus: ReadonlySet<number> = new Set([404, 405, 501]);

/** One connection to a tracker of ours, kept from announce to announce. */
export class TrackerConnection implements Disposable {
  readonly #init: TrackerConnectionInit;
  readonly #url: URL;
  readonly #agent: HttpAgent;
  #closed = false;
  /** What others do with a connection means nothing. */
  #isOurs = false;
  /** The socket, while no request uses it. */
  #idle: Socket | undefined;

  constructor(init: TrackerConnectionInit) {
    this.#init = init;
    const base = init.url.replace(/\/announce\/?$/, '').replace(/\/+$/, '');
    this.#url = new URL(`${base}${announcesPath}`);
    const options = { keepAlive: true, maxSockets: 1, timeout: idleTimeoutMs };
    this.#agent = this.#isTls
      ? new HttpsAgent({ ...options, ca: init.authorities })
      : new HttpAgent(options);
    this.#agent.on('free', (socket: Socket) => {
      this.#unwatch();
      this.#idle = socket;
      socket.once('close', this.#onClose);
      socket.once('timeout', this.#unwatch);
    });
  }

  get #isTls(): boolean {
    return this.#url.protocol === 'https:';
  }

  readonly #onClose = (): void => {
    this.#unwatch();
    if (!this.#closed && this.#isOurs) this.#init.onLost();
  };

  /**
   * While the socket is in use its end is the request's; and when it was silent for as long as the
   * tracker keeps a connection, the agent ends it, and nothing is lost.
   */
  readonly #unwatch = (): void => {
    this.#idle?.removeListener('close', this.#onClose);
    this.#idle?.removeListener('timeout', this.#unwatch);
    this.#idle = undefined;
  };

  /**
   * @returns undefined when the tracker is not one of ours
   * @throws TrackerError when it can't be reached, refuses, or answers with something else
   */
  async announce(
    batch: AnnounceBatch,
    { signal }: { signal: AbortSignal },
  ): Promise<AnnounceBatchAnswer | undefined> {
    const { url } = this.#init;
    let answer: { status: number; text: string };
    try {
      answer = await this.#post(JSON.stringify(batch), signal);
    } catch (cause) {
      signal.throwIfAborted();
      const why = whyUnreachable(cause);
      const what = `the tracker ${url} can't be reached: ${why}`;
      throw new TrackerError('TRACKER_UNREACHABLE', what, { cause });
    }
    const { status, text } = answer;
    // There are trackers that answer anything in their own way.
    const isForeign = foreignStatus.has(status) || (status === 200 && !text.startsWith('{'));
    this.#isOurs = status === 200 && !isForeign;
    if (isForeign) return undefined;
    if (this.#isOurs) return parseAnnounceAnswer(url, text);
    const what = `the tracker ${url} refused (${status}): ${text.slice(0, 500)}`;
    throw new TrackerError('TRACKER_REFUSED', what);
  }

  async #post(
    body: string,
    signal: AbortSignal,
    isAgain = false,
  ): Promise<{ status: number; text: string }> {
    const request = this.#send(body, signal);
    let response: IncomingMessage;
    try {
      [response] = (await once(request, 'response')) as [IncomingMessage];
    } catch (error) {
      // It was closed just before: what of the tracker is shown by a connection of its own.
      if (isAgain || !request.reusedSocket || !isReset(error)) throw error;
      return this.#post(body, signal, true);
    }
    const text = await readText(response);
    // It did keep connections until now: it is going.
    const isEnding = response.headers.connection === 'close' && request.reusedSocket;
    if (isEnding && this.#isOurs) this.#init.onLost();
    return { status: response.statusCode ?? 0, text };
  }

  #send(body: string, signal: AbortSignal): ClientRequest {
    const send = this.#isTls ? httpsRequest : httpRequest;
    const request = send(this.#url, {
      method: 'POST',
      agent: this.#agent,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    request.on('socket', this.#unwatch);
    // After the answer has begun, the answer fails.
    request.on('error', () => undefined);
    request.end(body);
    return request;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#agent.destroy();
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxAnswerBytes) throw new Error(`it answers with over ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const isReset = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
