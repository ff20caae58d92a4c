import { join } from 'node:path';
import * as z from 'zod';
import type { BenchPeer } from '../bench-peer.ts';
import { findLibtorrentPython } from '../../process/index.ts';
import type { Payload } from '../../payload/index.ts';

const script = join(import.meta.dirname, 'libtorrent_client.py');
const listening = z.object({ event: z.literal('listening'), port: z.int().min(1) });
const whole = z.object({ event: z.literal('whole'), tookMs: z.number() });

/**
 * libtorrent by Arvid Norberg (python3-libtorrent), by a script of ours. In v2 every file begins a
 * piece, in v1 many small files share one; so small files are a different matter for the two.
 */
const libtorrentOf = (
  name: string,
  settings: 'default' | 'tuned',
  torrentOf: (payload: Payload) => string,
): BenchPeer => ({
  name,
  ours: false,
  missing: () =>
    findLibtorrentPython() === undefined ? 'python3-libtorrent is not installed' : undefined,
  async seed(payload, place) {
    const torrent = torrentOf(payload);
    const interpreter = findLibtorrentPython() ?? 'python3';
    const command = (...args: string[]): [string, ...string[]] => [
      interpreter,
      script,
      settings,
      ...args,
    ];
    const seed = place.start(`${name} seed`, command('seed', torrent, payload.parent));
    const { port } = (await seed.line(listening, 'that it listens')).value;
    return {
      process: seed,
      fetch({ directory, start }) {
        const args = ['fetch', torrent, directory, String(port)];
        const fetcher = start(`${name} fetcher`, command(...args));
        const done = fetcher.line(whole, 'that it is done').then(({ atMs, value }) => ({
          atMs,
          tree: join(directory, payload.name),
          ownMs: value.tookMs,
        }));
        return { process: fetcher, ends: true, done };
      },
    };
  },
});

/** With the settings that it comes with. */
export const libtorrent = libtorrentOf('libtorrent', 'default', ({ torrent }) => torrent);
/** With more threads and longer queues than it comes with, as fast as we could make it. */
export const libtorrentTuned = libtorrentOf('libtorrent-tuned', 'tuned', ({ torrent }) => torrent);
export const libtorrentV1 = libtorrentOf('libtorrent-v1', 'tuned', ({ v1 }) => v1.torrent);
