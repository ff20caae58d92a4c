import type { ServerResponse } from 'node:http';

export interface EventStreamInit {
  /** What may wait for a reader; one that lets more wait is dropped. */
  readonly maxBufferedBytes: number;
  /** After so long a reader whose connection broke is to come back. */
  readonly retryMs: number;
  /** Called once, when nothing can be written any more. */
  readonly onClose: () => void;
}

/**
 * An event as it goes on the wire: JSON is one line, so `data` is too.
 * @param id what a reader that comes back says it has seen last
 */
export const encodeEvent = (event: string, data: unknown, id?: number): string =>
  `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;

/** A comment: it keeps connections open that would be closed for silence. */
export const heartbeat = ':\n\n';

/**
 * One reader of server-sent events (HTML, "9.2 Server-sent events"). Nothing is kept for it beyond
 * what its connection holds, and it never holds anybody up.
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #maxBufferedBytes: number;
  /** It had not taken what was written before when there was more. */
  #isBehind = false;

  constructor(response: ServerResponse, init: EventStreamInit) {
    this.#response = response;
    this.#maxBufferedBytes = init.maxBufferedBytes;
    response.on('close', init.onClose);
    // A connection that breaks says so by closing.
    response.on('error', () => undefined);
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // A proxy that gathers what it passes on would hold events back.
      'x-accel-buffering': 'no',
      // The connection ends with the stream, so that it never holds up the end of the tracker.
      connection: 'close',
    });
    this.write(`retry: ${init.retryMs}\n\n`);
  }

  /** Sends events, or drops the reader when too much waits for it already. */
  write(text: string): void {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return;
    this.#isBehind = response.writableNeedDrain;
    if (response.writableLength > this.#maxBufferedBytes) response.destroy();
    else response.write(text);
  }

  /** Ends after what was written; at once for a reader that was behind before that. */
  end(): void {
    const response = this.#response;
    if (this.#isBehind && response.writableNeedDrain) response.destroy();
    else response.end();
  }
}
