import { Peer } from '../../../src/swarm/peer.ts';

/** A peer whose connection nobody carries, for what only looks at who a peer is. */
export function unconnectedPeer(address: string): Peer {
  return new Peer(
    { lane: { post: () => undefined }, now: () => 0 },
    { link: 1, address, outgoing: true, onHandshake: () => undefined, onClosed: () => undefined },
  );
}
