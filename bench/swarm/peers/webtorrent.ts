import { join } from 'node:path';
import type { SwarmPeer } from '../swarm-peer.ts';
import { openWaitingClients } from './waiting-client.ts';

const script = join(import.meta.dirname, 'webtorrent-host.ts');

/** webtorrent 3, v1, as it comes. */
export const webtorrent: SwarmPeer = {
  name: 'webtorrent',
  ours: false,
  swarms: true,
  missing: () => undefined,
  open: (stage) =>
    openWaitingClients(
      {
        name: 'webtorrent',
        command: [process.execPath, script],
        torrent: stage.payload.v1.torrent,
        infoHash: stage.payload.v1.infoHash,
      },
      stage,
    ),
};
