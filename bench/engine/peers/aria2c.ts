import { join } from 'node:path';
import { AnnounceTracker } from '../announce-tracker.ts';
import type { BenchPeer } from '../bench-peer.ts';
import { freePort, missingProgram, untilDone, writeDoneScript } from '../../process/index.ts';

const quiet = [
  '--enable-dht=false',
  '--enable-dht6=false',
  '--bt-enable-lpd=false',
  '--enable-peer-exchange=false',
  '--disable-ipv6=true',
  '--console-log-level=warn',
  '--summary-interval=0',
  '--no-conf=true',
  '--file-allocation=none',
  '--bt-max-open-files=1000',
] as const;

/** aria2: v1; it can't be told a peer, so it asks a tracker of ours. */
export const aria2c: BenchPeer = {
  name: 'aria2c',
  ours: false,
  missing: () => missingProgram('aria2c'),
  async seed(payload, place) {
    const { v1 } = payload;
    const tracker = await AnnounceTracker.start(place, '127.0.0.1');
    const script = await writeDoneScript(place.directory);
    const common = (folder: string): [string, ...string[]] => [
      ...(['aria2c', ...quiet] as const),
      ...['--bt-tracker', tracker.announceUrl, '--dir', folder],
    ];
    const seed = place.start('aria2c seed', [
      ...common(payload.parent),
      ...['--bt-seed-unverified=true', '--seed-ratio=0.0', '--allow-overwrite=true'],
      ...['--listen-port', String(await freePort()), v1.torrent],
    ]);
    await tracker.untilSeeded(v1.infoHash, seed, place);
    const listenPort = String(await freePort());
    return {
      process: seed,
      fetch({ directory, start, signal }) {
        const fetcher = start('aria2c fetcher', [
          ...common(directory),
          ...['--seed-time=0', '--on-bt-download-complete', script],
          ...['--listen-port', listenPort, v1.torrent],
        ]);
        const tree = join(directory, payload.name);
        // It goes on for two seconds, in which it tells the tracker.
        const done = untilDone(place.directory, fetcher, { signal }).then((atMs) => ({
          atMs,
          tree,
        }));
        return { process: fetcher, ends: true, done };
      },
    };
  },
};
