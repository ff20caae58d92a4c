import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { TrackerError } from '../errors.ts';
import {
  announcesPath,
  parseAnnounceAnswer,
  type AnnounceBatch,
  type AnnounceBatchAnswer,
} from './announce-batch.ts';

export interface TrackerConnectionInit {
  /** The tracker's base URL, http or https. */
  readonly url: string;
  /** The connection was closed by the other side, or broke: the tracker may be gone. */
  readonly onLost: () => void;
}

const timeoutMs = 10_000;
const maxAnswerBytes = 8 << 20;
/** What answers so has no such resource: it is a tracker, but not ours. */
const foreignStatus: ReadonlySet<number> = new Set([404, 405, 501]);

/** One connection to a tracker of ours, kept from announce to announce. */
export class TrackerConnection implements Disposable {
  readonly #init: TrackerConnectionInit;
  readonly #url: URL;
  readonly #agent: HttpAgent;
  #closed = false;

  constructor(init: TrackerConnectionInit) {
    this.#init = init;
    const base = init.url.replace(/\/announce\/?$/, '').replace(/\/+$/, '');
    this.#url = new URL(`${base}${announcesPath}`);
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent = this.#isTls ? new HttpsAgent(options) : new HttpAgent(options);
    this.#agent.on('free', (socket: { once(event: 'close', listener: () => void): void }) => {
      socket.once('close', this.#onClose);
    });
  }

  get #isTls(): boolean {
    return this.#url.protocol === 'https:';
  }

  readonly #onClose = (): void => {
    if (!this.#closed) this.#init.onLost();
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
      const why = cause instanceof Error ? cause.message : String(cause);
      const what = `the tracker ${url} can't be reached: ${why}`;
      throw new TrackerError('TRACKER_UNREACHABLE', what, { cause });
    }
    const { status, text } = answer;
    // There are trackers that answer anything in their own way.
    const isForeign = foreignStatus.has(status) || (status === 200 && !text.startsWith('{'));
    if (isForeign) return undefined;
    if (status === 200) return parseAnnounceAnswer(url, text);
    const what = `the tracker ${url} refused (${status}): ${text.slice(0, 500)}`;
    throw new TrackerError('TRACKER_REFUSED', what);
  }

  async #post(body: string, signal: AbortSignal): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const send = this.#isTls ? httpsRequest : httpRequest;
    const request = send(this.#url, {
      method: 'POST',
      agent: this.#agent,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    request.on('response', resolve);
    request.on('error', reject);
    // While the socket is in use its end is the request's.
    request.on('socket', (socket) => socket.removeListener('close', this.#onClose));
    request.end(body);
    const response = await promise;
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxAnswerBytes) throw new Error(`it answers with over ${maxAnswerBytes} bytes`);
      chunks.push(chunk);
    }
    return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#agent.destroy();
  }
}
