import { PeerError } from '../errors.ts';
import type { Handshake } from './handshake.ts';
import type { Peer } from './peer.ts';
import type { Swarm } from './swarm.ts';

export interface WelcomeInit {
  /** What this host calls itself in handshakes, 20 bytes. */
  readonly peerId: Buffer;
  /** The hashes by which this host asks for the image. */
  readonly hashes: () => readonly Buffer[];
}

/** Takes peers into a swarm when their handshakes are done. */
export class Welcome {
  readonly #swarm: Swarm;
  readonly #init: WelcomeInit;

  constructor(components: { swarm: Swarm }, init: WelcomeInit) {
    this.#swarm = components.swarm;
    this.#init = init;
  }

  /**
   * Takes a peer in, unless it is ourselves, banned, or connected already.
   * @param forgo called when it should not be connected to again
   */
  take(peer: Peer, handshake: Handshake, forgo: () => void): void {
    const swarm = this.#swarm;
    const expected = this.#init.hashes().some((hash) => hash.equals(handshake.infoHash));
    if (peer.outgoing && !expected) {
      peer.close(new PeerError('PEER_PROTOCOL', `${peer.address} answered for another image`));
      return;
    }
    if (swarm.state === 'closed') {
      // Left while the connection was being opened.
      peer.close();
      return;
    }
    if (handshake.peerId.equals(this.#init.peerId) || swarm.isBanned(peer.id)) {
      forgo();
      peer.close();
      return;
    }
    const twin = [...swarm.peers].find((other) => other.id === peer.id);
    if (twin !== undefined && this.#keeps(twin, peer)) {
      peer.close();
      return;
    }
    twin?.close();
    swarm.addPeer(peer);
  }

  /** Of two connections with one peer both sides keep the one that the smaller id opened. */
  #keeps(twin: Peer, newer: Peer): boolean {
    if (twin.outgoing === newer.outgoing) return true;
    const theirs = newer.handshake?.peerId.toString('hex') ?? '';
    const weAreSmaller = this.#init.peerId.toString('hex') < theirs;
    return twin.outgoing === weAreSmaller;
  }
}
