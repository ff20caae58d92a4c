import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import * as z from 'zod';
import type { BenchPeer } from '../bench-peer.ts';

const script = join(import.meta.dirname, 'libtorrent_client.py');
const listening = z.object({ event: z.literal('listening'), port: z.int().min(1) });
const whole = z.object({ event: z.literal('whole'), tookMs: z.number() });

/** Where several Pythons are installed, Debian's packages are for the one in /usr/bin. */
const findInterpreter = (): string | undefined =>
  ['/usr/bin/python3', 'python3'].find(
    (path) => spawnSync(path, ['-c', 'import libtorrent'], { timeout: 20_000 }).status === 0,
  );

/** libtorrent by Arvid Norberg (python3-libtorrent): v2, by a script of ours. */
export const libtorrent: BenchPeer = {
  name: 'libtorrent',
  ours: false,
  missing: () =>
    findInterpreter() === undefined ? 'python3-libtorrent is not installed' : undefined,
  async seed(payload, place) {
    const interpreter = findInterpreter() ?? 'python3';
    const command = (...args: string[]): [string, ...string[]] => [interpreter, script, ...args];
    const seed = place.start('libtorrent seed', command('seed', payload.torrent, payload.parent));
    const { port } = (await seed.line(listening, 'that it listens')).value;
    return {
      process: seed,
      fetch({ directory, start }) {
        const args = ['fetch', payload.torrent, directory, String(port)];
        const fetcher = start('libtorrent fetcher', command(...args));
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
