import type { Peer } from './peer.ts';

/** How much came from whom and how much was sent, also with peers that are gone. */
export class PeerTally {
  readonly #peers: () => Iterable<Peer>;
  readonly #receivedFromGone = new Map<string, number>();
  #sentToGoneBytes = 0;
  #receivedFromGoneBytes = 0;

  constructor(components: { peers: () => Iterable<Peer> }) {
    this.#peers = components.peers;
  }

  /** A peer is gone; it must not be among the peers any more. */
  left(peer: Peer): void {
    add(this.#receivedFromGone, peer);
    this.#sentToGoneBytes += peer.sentBytes;
    this.#receivedFromGoneBytes += peer.receivedBytes;
  }

  /** More was sent to one that is gone, or came from it, than was known when it left. */
  settled({ listenAddress }: Peer, sentBytes: number, receivedBytes: number): void {
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
