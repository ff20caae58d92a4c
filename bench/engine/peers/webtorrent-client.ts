/**
 * A webtorrent client as a process of its own:
 *     node webtorrent-client.ts seed TORRENT FOLDER
 *     node webtorrent-client.ts fetch TORRENT FOLDER PORT
 * A seed says `{"event":"listening","port":N}` and goes on until it is ended; what lies in its folder
 * is believed. A fetcher says `{"event":"whole","tookMs":N}` and ends.
 */
import { readFile } from 'node:fs/promises';

/** What is used of webtorrent, which has no types. */
interface Client {
  readonly torrentPort: number;
  on(event: 'error', listener: (error: Error) => void): void;
  add(torrent: Buffer, options: object): Torrent;
}
interface Torrent {
  on(event: 'ready' | 'infoHash' | 'done', listener: () => void): void;
  addPeer(endpoint: string): boolean;
}

/** All that finds peers or gets through gateways is off; and encryption, which costs time. */
const options = {
  dht: false,
  lsd: false,
  utPex: false,
  utp: false,
  tracker: false,
  natUpnp: false,
  natPmp: false,
  secure: 0,
};

const [role = '', torrentPath = '', path = '', port = ''] = process.argv.slice(2);

const say = (value: object) => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

const startedMs = performance.now();
// A name that is computed is not looked up in types.
const untyped = ['webtorrent'].join();
const { default: WebTorrent } = (await import(untyped)) as {
  default: new (options: object) => Client;
};
const client = new WebTorrent(options);
client.on('error', (error) => {
  throw error;
});
const seeds = role === 'seed';
const torrent = client.add(await readFile(torrentPath), { path, announce: [], skipVerify: seeds });
if (seeds) {
  torrent.on('ready', () => {
    say({ event: 'listening', port: client.torrentPort });
  });
} else {
  torrent.on('infoHash', () => {
    torrent.addPeer(`127.0.0.1:${port}`);
  });
  torrent.on('done', () => {
    const tookMs = performance.now() - startedMs;
    process.stdout.write(`${JSON.stringify({ event: 'whole', tookMs })}\n`, () => {
      process.exit();
    });
  });
}
