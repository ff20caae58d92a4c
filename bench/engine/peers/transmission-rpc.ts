import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { untilListening } from '../../process/index.ts';

const sessionHeader = 'X-Transmission-Session-Id';
/** `status` in its RPC specification. */
const seedingStatus = 6;

const answer = z.object({
  result: z.literal('success'),
  arguments: z.object({
    torrents: z.array(z.object({ status: z.int(), percentDone: z.number() })).optional(),
  }),
});

/** What transmission-remote speaks to a daemon. */
export class TransmissionRpc {
  readonly #port: number;
  #session = '';

  constructor(port: number) {
    this.#port = port;
  }

  /** Has all torrents verified; returns when they are whole, and seeded. */
  async verifyAll({ signal }: { signal: AbortSignal }): Promise<void> {
    await untilListening(this.#port, { signal });
    while ((await this.#torrents(signal)).length === 0) await delay(50, undefined, { signal });
    await this.#call('torrent-verify', {}, signal);
    for (;;) {
      const torrents = await this.#torrents(signal);
      const seeds = torrents.every((one) => one.status === seedingStatus && one.percentDone === 1);
      if (seeds) return;
      await delay(50, undefined, { signal });
    }
  }

  async #torrents(signal: AbortSignal): Promise<{ status: number; percentDone: number }[]> {
    const fields = ['status', 'percentDone'];
    return (await this.#call('torrent-get', { fields }, signal)).torrents ?? [];
  }

  async #call(
    method: string,
    args: object,
    signal: AbortSignal,
  ): Promise<z.output<typeof answer>['arguments']> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/transmission/rpc`, {
      method: 'POST',
      headers: { [sessionHeader]: this.#session },
      body: JSON.stringify({ method, arguments: args }),
      signal,
    });
    const session = response.headers.get(sessionHeader);
    if (response.status === 409 && session !== null && session !== this.#session) {
      this.#session = session;
      return await this.#call(method, args, signal);
    }
    return answer.parse(await response.json()).arguments;
  }
}
