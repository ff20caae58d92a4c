import { PeerError } from '../errors.ts';
import type { DataLane } from './data/data-lane.ts';
import type { DataEvent } from './data/data-protocol.ts';
import type { Handshake } from './handshake.ts';
import { Peer } from './peer.ts';
import type { SealedMembers } from './sealed-members.ts';
import { WebPeer } from './web-peer.ts';

export interface ConnectionsComponents {
  readonly now: () => number;
  readonly members: SealedMembers;
}

export interface ConnectionsInit {
  readonly maxConnections: number;
  readonly onWarning: ((message: string, error: unknown) => void) | undefined;
}

/** A connection in the data plane that has it. */
export interface Link {
  readonly link: number;
  readonly lane: DataLane;
}

const handshakeTimeoutMs = 10_000;

/** All connections of this host, whatever they are about, from when they are opened to their last counters. */
export class Connections {
  readonly #components: ConnectionsComponents;
  readonly #init: ConnectionsInit;
  readonly #peers = new Map<number, Peer>();
  /** Those that were ended, and whose last counters are still to come. */
  readonly #leaving = new Map<number, Peer>();
  #stopped = false;

  constructor(components: ConnectionsComponents, init: ConnectionsInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Whether there is room for no other. */
  get isFull(): boolean {
    return this.#stopped || this.#peers.size >= this.#init.maxConnections;
  }

  /** Takes on a connection; `onHandshake` is called when its peer has said what it wants. */
  take(
    { link, lane }: Link,
    init: { address: string; outgoing: boolean },
    onHandshake: (handshake: Handshake) => void,
  ): Peer {
    const timer = setTimeout(() => {
      peer.close(new PeerError('PEER_TIMEOUT', `${init.address} sent no handshake`));
    }, handshakeTimeoutMs);
    const peer: Peer = new Peer(
      { lane, now: this.#components.now },
      {
        ...init,
        link,
        onHandshake: (_, handshake) => {
          clearTimeout(timer);
          // Taken out after it was sealed, and before it said anything.
          if (!this.#cutOffIfOut(peer)) onHandshake(handshake);
        },
        onClosed: () => {
          clearTimeout(timer);
          this.#peers.delete(link);
          this.#leaving.set(link, peer);
        },
      },
    );
    this.#peers.set(link, peer);
    return peer;
  }

  /** The same for a web seed, which says nothing. */
  takeWebSeed({ link, lane }: Link, name: string): WebPeer {
    const onClosed = () => this.#peers.delete(link);
    const peer = new WebPeer({ lane, now: this.#components.now }, { link, name, onClosed });
    this.#peers.set(link, peer);
    return peer;
  }

  /** Hands on what a data plane tells of a connection. */
  onEvent(event: Extract<DataEvent, { link: number }>): void {
    this.#peers.get(event.link)?.onEvent(event);
    if (event.type !== 'closed') return;
    this.#leaving.get(event.link)?.settle(event.tally);
    this.#leaving.delete(event.link);
  }

  /** Ends those with peers that do not belong any more. */
  cutOffOutcasts(): void {
    for (const peer of this.#peers.values()) this.#cutOffIfOut(peer);
  }

  /** @returns whether the peer does not belong any more */
  #cutOffIfOut(peer: Peer): boolean {
    const { members } = this.#components;
    const error = peer.identity === undefined ? undefined : members.whyEnd(peer.identity);
    if (error === undefined) return false;
    this.#init.onWarning?.('a peer was cut off', error);
    peer.close(error);
    return true;
  }

  /** A data plane has died, and its connections with it. */
  dropAllOf(lane: DataLane, error: Error): void {
    for (const peer of this.#peers.values()) if (peer.isIn(lane)) peer.close(error);
  }

  /** From now on there is no room. */
  stop(): void {
    this.#stopped = true;
  }

  close(): void {
    for (const peer of [...this.#peers.values()]) peer.close();
  }
}
