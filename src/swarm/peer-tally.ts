import type { Peer } from './peer.ts';

/** Bytes from hosts of the own rack, of the own zone, of other zones, and from web seeds. */
export interface ReceivedFrom {
  rack: number;
  zone: number;
  fleet: number;
  origin: number;
}

const distances = ['rack', 'zone', 'fleet'] as const;

const distanceOf = ({ isOrigin, level }: Peer): keyof ReceivedFrom =>
  isOrigin ? 'origin' : distances[level];

/** How much came from whom and how much was sent, also with peers that are gone. */
export class PeerTally {
  readonly #peers: () => Iterable<Peer>;
  readonly #receivedFromGone = new Map<string, number>();
  readonly #receivedByDistance: ReceivedFrom = { rack: 0, zone: 0, fleet: 0, origin: 0 };
  #sentToGoneBytes = 0;
  #receivedFromGoneBytes = 0;

  constructor(components: { peers: () => Iterable<Peer> }) {
    this.#peers = components.peers;
  }

  /** A peer is gone; it must not be among the peers any more. */
  left(peer: Peer): void {
    add(this.#receivedFromGone, peer);
    this.#receivedByDistance[distanceOf(peer)] += peer.receivedBytes;
    this.#sentToGoneBytes += peer.sentBytes;
    this.#receivedFromGoneBytes += peer.receivedBytes;
  }

  /** More was sent to one that is gone, or came from it, than was known when it left. */
  settled(peer: Peer, sentBytes: number, receivedBytes: number): void {
    const { listenAddress } = peer;
    this.#receivedByDistance[distanceOf(peer)] += receivedBytes;
    this.#sentToGoneBytes += sentBytes;
    this.#receivedFromGoneBytes += receivedBytes;
    add(this.#receivedFromGone, { listenAddress, receivedBytes });
  }

  get sentBytes(): number {
    let sum = this.#sentToGoneBytes;
    for (const peer of this.#peers()) sum += peer.sentBytes;
    return sum;
  }

  get receivedBytes(): number {
    let sum = this.#receivedFromGoneBytes;
    for (const peer of this.#peers()) sum += peer.receivedBytes;
    return sum;
  }

  /** The payload that came, by how far it came. */
  receivedFrom(): ReceivedFrom {
    const sums = { ...this.#receivedByDistance };
    for (const peer of this.#peers()) sums[distanceOf(peer)] += peer.receivedBytes;
    return sums;
  }

  /** The payload that came from each peer, by the address where it accepts connections. */
  sources(): { peer: string; receivedBytes: number }[] {
    const all = new Map(this.#receivedFromGone);
    for (const peer of this.#peers()) add(all, peer);
    return [...all].map(([peer, receivedBytes]) => ({ peer, receivedBytes }));
  }
}

function add(
  map: Map<string, number>,
  { listenAddress, receivedBytes }: Pick<Peer, 'listenAddress' | 'receivedBytes'>,
): void {
  if (receivedBytes > 0) map.set(listenAddress, (map.get(listenAddress) ?? 0) + receivedBytes);
}
