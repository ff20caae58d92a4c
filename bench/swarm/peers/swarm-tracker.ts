import { join } from 'node:path';
import * as z from 'zod';
import { ownProgram, type MeasuredProcess } from '../../process/index.ts';
import type { StageMachine } from '../swarm-peer.ts';

const listening = z.object({
  event: z.literal('listening'),
  url: z.string(),
  tokenPath: z.string(),
});

/** Asks for a scrape until it tells of a seed. It runs where the tracker does: nobody else can ask. */
const untilSeededScript = `
for (;;) {
  const text = await (await fetch(process.argv[1])).text();
  if (/8:completei[1-9]/.test(text)) break;
  await new Promise((resolve) => setTimeout(resolve, 50));
}`;

/** Our own tracker, on a machine of its own; foreign clients use it too. */
export class SwarmTracker {
  readonly url: string;
  readonly announceUrl: string;
  readonly process: MeasuredProcess;
  readonly keys: string;
  readonly root: string;
  readonly tokenPath: string;
  readonly #machine: StageMachine;

  private constructor(init: {
    machine: StageMachine;
    process: MeasuredProcess;
    url: string;
    tokenPath: string;
    keys: string;
  }) {
    this.#machine = init.machine;
    this.process = init.process;
    this.url = init.url;
    this.announceUrl = new URL('/announce', init.url).href;
    this.tokenPath = init.tokenPath;
    this.keys = init.keys;
    this.root = join(init.keys, 'root.json');
  }

  static async start(machine: StageMachine): Promise<SwarmTracker> {
    const { place, address } = machine;
    // It serves nobody without a root of trust, though clients that announce need none.
    const keys = join(place.directory, 'keys');
    const init = ['keys', 'init', '--keys', keys];
    await place.start('seeder keys', ownProgram('seeder', ...init)).succeeded();
    const own = ['--dir', join(place.directory, 'tracker'), '--root', join(keys, 'root.json')];
    // Releases come from another machine of the stage, whose network is its own.
    const at = ['--host', address, '--port', '7070', '--rest-in-clear'];
    const process = place.start('tracker', ownProgram('tracker', 'serve', ...own, ...at));
    const { url, tokenPath } = (await process.line(listening, 'that it listens')).value;
    return new SwarmTracker({ machine, process, url, tokenPath, keys });
  }

  /** Waits until a seed has announced itself. @throws when it ends before */
  async untilSeeded(infoHash: string, seed: MeasuredProcess): Promise<void> {
    const escaped = infoHash.slice(0, 40).replace(/../g, '%$&');
    const scrape = `${new URL('/scrape', this.url).href}?info_hash=${escaped}`;
    const command = ['--input-type=module', '-e', untilSeededScript, scrape] as const;
    const asking = this.#machine.place.start('scrape', [process.execPath, ...command]);
    const ended = seed.ended().then((): never => {
      throw new Error(`${seed.name} ended before it had announced itself`);
    });
    // Afterwards it is ended, and nobody asks why.
    ended.catch(() => undefined);
    await Promise.race([asking.succeeded(), ended]);
  }
}
