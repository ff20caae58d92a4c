import { parseAnnounce } from '../../tracker/announce-query.ts';
import { SwarmTable } from '../../tracker/swarm-table.ts';
import { defaultConfig } from '../../tracker/index.ts';

/**
 * Says what the swarm table takes of memory, as JSON, with as many SWARMS and PEERS as its arguments
 * say. The peers are read from queries, as they come by HTTP. It needs --expose-gc.
 */
const [swarms = 0, peers = 0] = process.argv.slice(2).map(Number);
const table = new SwarmTable({ random: Math.random }, { ...defaultConfig, maxPeers: peers });

function announce(index: number): void {
  const member = Math.floor(index / swarms);
  const hash = String(index % swarms).padStart(20, '0');
  const peerId = `-BENCH0-${String(index).padStart(12, '0')}`;
  const left = member % 10 === 0 ? 0 : 1_000;
  const url = `/announce?info_hash=${hash}&peer_id=${peerId}&port=${10_000 + member}&left=${left}`;
  table.announce(parseAnnounce(url, '\x7f\0\0\x01', defaultConfig), performance.now());
}

function memory(): { heapBytes: number; residentBytes: number } {
  for (let time = 0; time < 4; time++) globalThis.gc?.();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return { heapBytes: heapUsed + arrayBuffers, residentBytes: rss };
}

// Code and its first garbage are there before it is measured.
for (let index = 0; index < swarms; index++) announce(index);
const before = memory();
for (let index = swarms; index < peers; index++) announce(index);
const after = memory();
const added = Math.max(1, peers - swarms);
process.stdout.write(
  `${JSON.stringify({
    heapBytesPerPeer: (after.heapBytes - before.heapBytes) / added,
    residentBytesPerPeer: (after.residentBytes - before.residentBytes) / added,
    peers: table.totals(performance.now()).seeds + table.totals(performance.now()).downloaders,
  })}\n`,
);
