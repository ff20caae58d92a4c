import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { decodeBencode, encodeBencode } from '../../src/image/index.ts';
import { compactPeer, type Endpoint } from './compact-peer.ts';
import type { TorrentSource } from './torrent-client.ts';

/** A tracker (BEP 3, 23) that names one peer, whoever asks and whatever for. @returns its URL */
export async function onePeerTracker(peer: Endpoint): Promise<string> {
  const answer = encodeBencode({ interval: 5, peers: compactPeer(peer) });
  const server = createServer((_request, response) => {
    response.end(answer);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/announce`;
}

/** The same torrent or magnet link, with this tracker and no other. */
export function withTracker(source: TorrentSource, url: string): TorrentSource {
  if ('magnet' in source) {
    const plain = source.magnet.replaceAll(/&tr=[^&]*/g, '');
    return { magnet: `${plain}&tr=${encodeURIComponent(url)}` };
  }
  const torrent = decodeBencode(source.torrent);
  if (!(torrent instanceof Map)) throw new Error('it is no .torrent');
  torrent.delete('announce-list');
  torrent.set('announce', Buffer.from(url));
  return { torrent: encodeBencode(torrent) };
}
