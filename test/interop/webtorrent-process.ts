/**
 * A webtorrent client with one torrent, in a process of its own. stdin says once what it does, as
 * JSON (webtorrent-client.ts); stdout tells, as JSON, at which port it listens, and when all is
 * there, verified and written.
 */
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import WebTorrent from 'webtorrent';
import type { Torrent, Wire } from 'webtorrent';
import type { WebTorrentTask } from './webtorrent-client.ts';

const host = '127.0.0.1';
const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);

const [line] = (await once(createInterface(process.stdin), 'line')) as [string];
const task = JSON.parse(line) as WebTorrentTask;
const client = new WebTorrent({
  torrentPort: { host, port: 0 },
  dht: false,
  lsd: false,
  utPex: false,
  utp: false,
  natUpnp: false,
  natPmp: false,
  webSeeds: false,
  ...('secure' in task ? { secure: task.secure } : {}),
  tracker: { rtcConfig: { iceServers: [], bindAddress: host } },
});
client.on('error', fail);
const source = 'magnet' in task ? task.magnet : Buffer.from(task.torrent, 'base64');
const torrent: Torrent = client.add(source, { path: task.directory });
torrent.on('error', fail);
torrent.on('warning', (error) => process.stderr.write(`${String(error)}\n`));
const transports = new Set<string>();
torrent.on('wire', (wire: Wire) => transports.add(wire.type));
torrent.on('infoHash', () => {
  if (task.peer !== undefined) torrent.addPeer(task.peer);
});
torrent.on('done', () => {
  say({ event: 'whole', infoHash: torrent.infoHash, transports: [...transports] });
});
if (client.address() === null) await once(client, 'listening');
say({ event: 'listening', port: client.address()?.port });

function fail(error: unknown): void {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
}
