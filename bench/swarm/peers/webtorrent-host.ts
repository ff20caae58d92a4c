/**
 * A webtorrent client on a host of the swarm bench:
 *     node webtorrent-host.ts seed|fetch wait|now TORRENT FOLDER ADDRESS TRACKER
 * What it says and when it begins is in waiting-client.ts. What lies in a seed's folder is believed.
 */
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';

/** What is used of webtorrent, which has no types. */
interface Client {
  on(event: 'error', listener: (error: Error) => void): void;
  add(torrent: Buffer, options: object): Torrent;
}
interface Torrent {
  on(event: 'done', listener: () => void): void;
}

/** Peers come from the tracker and from peers; encryption, which costs time, is off. */
const options = {
  dht: false,
  lsd: false,
  utp: false,
  natUpnp: false,
  natPmp: false,
  secure: 0,
  torrentPort: 6881,
};

const [role = '', when = '', torrentPath = '', path = '', , tracker = ''] = process.argv.slice(2);

const say = (event: string) => {
  process.stdout.write(`${JSON.stringify({ event })}\n`);
};

// A name that is computed is not looked up in types.
const untyped = ['webtorrent'].join();
const { default: WebTorrent } = (await import(untyped)) as {
  default: new (options: object) => Client;
};
const client = new WebTorrent(options);
client.on('error', (error) => {
  throw error;
});
const metainfo = await readFile(torrentPath);
if (when === 'wait') {
  const told = once(process, 'SIGUSR2');
  // A listener for a signal keeps no process alive.
  const alive = setInterval(() => undefined, 1 << 30);
  say('ready');
  await told;
  clearInterval(alive);
}
const torrent = client.add(metainfo, { path, announce: [tracker], skipVerify: role === 'seed' });
torrent.on('done', () => {
  if (role === 'fetch') say('whole');
});
