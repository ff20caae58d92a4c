import { join } from 'node:path';
import { findLibtorrentPython } from '../../process/index.ts';
import { infoHashOf } from '../../../src/image/index.ts';
import type { SwarmPeer } from '../swarm-peer.ts';
import { openWaitingClients } from './waiting-client.ts';

const script = join(import.meta.dirname, 'libtorrent_host.py');

/** libtorrent by Arvid Norberg (python3-libtorrent), v2, with the settings that it comes with. */
export const libtorrent: SwarmPeer = {
  name: 'libtorrent',
  ours: false,
  swarms: true,
  missing: () =>
    findLibtorrentPython() === undefined ? 'python3-libtorrent is not installed' : undefined,
  open: (stage) =>
    openWaitingClients(
      {
        name: 'libtorrent',
        command: [findLibtorrentPython() ?? 'python3', script],
        torrent: stage.payload.torrent,
        infoHash: Buffer.from(infoHashOf(stage.payload.imageId)).toString('hex'),
      },
      stage,
    ),
};
