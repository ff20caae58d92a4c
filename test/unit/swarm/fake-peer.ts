import { Socket } from 'node:net';
import { Peer } from '../../../src/swarm/peer.ts';
import { TokenBucket } from '../../../src/swarm/token-bucket.ts';

/** A peer on a socket that was never connected, for what only looks at who a peer is. */
export function unconnectedPeer(address: string): Peer {
  const now = () => 0;
  const limit = new TokenBucket({ now }, { rateBytesPerSecond: Infinity });
  return new Peer(
    { socket: new Socket(), uploadLimit: limit, downloadLimit: limit, now },
    { address, outgoing: true, onHandshake: () => undefined },
  );
}
