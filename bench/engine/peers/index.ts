/** The programs that are compared, in the order in which tables and charts show them. */
import type { BenchPeer } from '../bench-peer.ts';
import { aria2c } from './aria2c.ts';
import { http, httpOpenssl } from './http.ts';
import { libtorrent, libtorrentTuned, libtorrentV1 } from './libtorrent.ts';
import { open, sealed } from './starling.ts';
import { transmission } from './transmission.ts';
import { webtorrent } from './webtorrent.ts';

export const allPeers: readonly BenchPeer[] = [
  sealed,
  open,
  libtorrent,
  libtorrentTuned,
  libtorrentV1,
  webtorrent,
  aria2c,
  transmission,
  http,
  httpOpenssl,
];
