/** The programs that are compared, in the order in which tables and charts show them. */
import type { SwarmPeer } from '../swarm-peer.ts';
import { aria2c } from './aria2c.ts';
import { http } from './http.ts';
import { libtorrent } from './libtorrent.ts';
import { starling } from './starling.ts';
import { webtorrent } from './webtorrent.ts';

export { knowsRacks } from './rack-option.ts';

export const allPeers: readonly SwarmPeer[] = [starling, libtorrent, aria2c, webtorrent, http];
