import { join } from 'node:path';
import * as z from 'zod';
import type { BenchPeer } from '../bench-peer.ts';

const script = join(import.meta.dirname, 'webtorrent-client.ts');
const listening = z.object({ event: z.literal('listening'), port: z.int().min(1) });
const whole = z.object({ event: z.literal('whole'), tookMs: z.number() });

/** webtorrent 3: v1, by a script of ours that says when it is done and then ends. */
export const webtorrent: BenchPeer = {
  name: 'webtorrent',
  ours: false,
  missing: () => undefined,
  async seed(payload, place) {
    const { torrent } = payload.v1;
    const command = (...args: string[]): [string, ...string[]] => [
      process.execPath,
      script,
      ...args,
    ];
    const seed = place.start('webtorrent seed', command('seed', torrent, payload.parent));
    const { port } = (await seed.line(listening, 'that it listens')).value;
    return {
      process: seed,
      fetch({ directory, start }) {
        const args = ['fetch', torrent, directory, String(port)];
        const fetcher = start('webtorrent fetcher', command(...args));
        const done = fetcher.line(whole, 'that it is done').then(({ atMs, value }) => ({
          atMs,
          tree: join(directory, payload.name),
          ownMs: value.tookMs,
        }));
        return { process: fetcher, ends: true, done };
      },
    };
  },
};
