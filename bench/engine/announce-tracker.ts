import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { TrackerClient } from '../../src/api/index.ts';
import { TrackerError } from '../../src/errors.ts';
import { type MeasuredProcess, ownProgram, type Place } from '../process/index.ts';

const listening = z.object({
  event: z.literal('listening'),
  url: z.string(),
  tokenPath: z.string(),
});

/** Our own tracker, for clients that can't be told a peer. */
export class AnnounceTracker {
  readonly announceUrl: string;
  readonly #client: TrackerClient;

  private constructor(url: string, token: string) {
    this.announceUrl = new URL('/announce', url).href;
    this.#client = new TrackerClient({}, { url, token });
  }

  /** @param host the address of this machine by which peers are to know each other */
  static async start(place: Place, host: string): Promise<AnnounceTracker> {
    // It serves nobody without a root of trust, though clients that announce need none.
    const keys = join(place.directory, 'keys');
    const init = ['keys', 'init', '--keys', keys];
    await place.start('seeder keys', ownProgram('seeder', ...init)).succeeded();
    const own = ['--dir', join(place.directory, 'tracker'), '--root', join(keys, 'root.json')];
    const at = ['--host', host, '--port', '0'];
    const process = place.start('tracker', ownProgram('tracker', 'serve', ...own, ...at));
    const { url, tokenPath } = (await process.line(listening, 'that it listens')).value;
    return new AnnounceTracker(url, (await readFile(tokenPath, 'utf8')).trim());
  }

  /** Waits until a seed has announced itself. @throws when it ends before */
  async untilSeeded(infoHash: string, seed: MeasuredProcess, { signal }: { signal: AbortSignal }) {
    const ended = seed.ended().then((): never => {
      throw new Error(`${seed.name} ended before it had announced itself`);
    });
    await Promise.race([ended, this.#untilSeeded(infoHash, signal)]);
  }

  async #untilSeeded(infoHash: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        if ((await this.#client.swarm(infoHash, { signal })).seeds > 0) return;
      } catch (error) {
        // Nobody is in that swarm yet.
        if (!(error instanceof TrackerError) || error.evidence.status !== 404) throw error;
      }
      await delay(50, undefined, { signal });
    }
  }
}
