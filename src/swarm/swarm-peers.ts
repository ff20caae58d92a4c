import { PeerError } from '../errors.ts';
import { tendPeer, type Peer } from './peer.ts';

export interface SwarmPeersInit {
  /** Something went wrong that is not the fault of a peer. */
  readonly onFault: (error: unknown) => void;
}

/** The connections of one swarm, and who may not come back. */
export class SwarmPeers {
  /** Why the last connection did not come about, or ended. */
  trouble: string | undefined;
  readonly #init: SwarmPeersInit;
  readonly #all = new Set<Peer>();
  readonly #banned = new Set<string>();

  constructor(init: SwarmPeersInit) {
    this.#init = init;
  }

  get all(): ReadonlySet<Peer> {
    return this.#all;
  }

  add(peer: Peer): void {
    this.#all.add(peer);
    this.trouble = undefined;
  }

  /** It is closed. */
  delete(peer: Peer, error: Error | undefined): void {
    this.#all.delete(peer);
    this.trouble = error?.message ?? `${peer.address} closed the connection`;
  }

  /** What a peer does wrong ends its connection, and what it lies about bans it. */
  guard(peer: Peer, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof PeerError) {
        if (error.code !== 'PEER_PROTOCOL') this.#banned.add(peer.id);
        peer.close(error);
      } else {
        // Not the peer's fault: our own, or that of an image which says what it was asked for.
        this.#init.onFault(error);
      }
    }
  }

  /** Does the same with each, guarded. */
  each(work: (peer: Peer) => void): void {
    for (const peer of this.#all) {
      this.guard(peer, () => {
        work(peer);
      });
    }
  }

  /** Whether this peer lied to us before. */
  isBanned(peerId: string): boolean {
    return this.#banned.has(peerId);
  }

  ban(peerId: string, error: PeerError): void {
    this.#banned.add(peerId);
    for (const peer of this.#all) if (peer.id === peerId) peer.close(error);
  }

  /** Called about once a second. */
  tend(nowMs: number): void {
    for (const peer of this.#all) tendPeer(peer, nowMs);
  }

  close(): void {
    for (const peer of this.#all) peer.close();
  }
}
