import { Injection } from '../policy/index.ts';
import type { Message } from './message.ts';
import type { Peer } from './peer.ts';

export interface SeedInjectionComponents {
  readonly random: () => number;
  readonly now: () => number;
  /** Tells a peer anew whether pieces are handed out: it is in our extension handshake. */
  readonly tell: (peer: Peer) => void;
  /** Each piece has come to a peer: the image can do without this seed. */
  readonly onOut: () => void;
}

export interface SeedInjectionInit {
  readonly pieceCount: number;
  readonly pieceSizeBytes: number;
}

/** With fewer peers there is nobody to pass pieces on. */
const leastPeers = 2;
/** How many pieces a peer is handed ahead, and for how long at the rate at which it takes them. */
const least = 2;
const aheadSeconds = 0.25;

interface Pace {
  sentBytes: number;
  atMs: number;
  bytesPerSecond: number;
}

/**
 * What a seed does until its image is out: it hands each piece to one of its peers. Peers that do not
 * know of this (other clients) are served what they ask for, and count for nothing here.
 */
export class SeedInjection {
  readonly #components: SeedInjectionComponents;
  readonly #init: SeedInjectionInit;
  readonly #injection: Injection<Peer>;
  readonly #peers = new Map<Peer, Pace>();
  #active = false;
  #over = false;

  constructor(components: SeedInjectionComponents, init: SeedInjectionInit) {
    this.#components = components;
    this.#init = init;
    this.#injection = new Injection(components, init);
  }

  /** Whether peers are to ask for what they are handed, and for nothing else. */
  get active(): boolean {
    return this.#active;
  }

  /** Whether each piece has come to a peer. */
  get isOut(): boolean {
    return this.#over;
  }

  /** What is known of a peer has changed: it takes part if it can and has something to get. */
  consider(peer: Peer): void {
    if (this.#over) return;
    const able = peer.extension?.injects !== undefined && !peer.isV1Only;
    if (!able || peer.pieces === undefined || peer.pieces.isFull) {
      this.remove(peer);
      return;
    }
    if (this.#peers.has(peer)) return;
    const atMs = this.#components.now();
    this.#peers.set(peer, { sentBytes: peer.sentBytes, atMs, bytesPerSecond: 0 });
    this.#injection.addPeer(peer, peer.pieces);
    if (this.#active) this.#hand(peer);
    else if (this.#peers.size >= leastPeers) this.#begin();
  }

  remove(peer: Peer): void {
    if (!this.#peers.delete(peer)) return;
    this.#injection.removePeer(peer);
    this.#handAll();
  }

  onHave(peer: Peer, piece: number): void {
    if (this.#over) return;
    this.#injection.onHave(peer, piece, this.#components.now());
    if (this.#active && this.#injection.isDone) this.#end();
    else this.#hand(peer);
  }

  /** Called about once a second. */
  tick(): void {
    if (this.#over) return;
    const now = this.#components.now();
    for (const [peer, pace] of this.#peers) {
      const seconds = (now - pace.atMs) / 1_000;
      if (seconds <= 0) continue;
      pace.bytesPerSecond = (peer.sentBytes - pace.sentBytes) / seconds;
      pace.sentBytes = peer.sentBytes;
      pace.atMs = now;
    }
    this.#injection.expire(now);
    this.#handAll();
  }

  #begin(): void {
    this.#active = true;
    for (const peer of this.#peers.keys()) this.#components.tell(peer);
    this.#handAll();
  }

  #handAll(): void {
    if (!this.#active) return;
    if (this.#peers.size < leastPeers) this.#pause();
    for (const peer of this.#peers.keys()) this.#hand(peer);
  }

  #hand(peer: Peer): void {
    const pace = this.#peers.get(peer);
    if (pace === undefined || !this.#active) return;
    const ahead = Math.ceil((pace.bytesPerSecond * aheadSeconds) / this.#init.pieceSizeBytes);
    for (const piece of this.#injection.hand(
      peer,
      Math.max(least, ahead),
      this.#components.now(),
    )) {
      const message: Message = { type: 'suggestPiece', piece };
      peer.send(message);
    }
    if (this.#injection.isDone) this.#end();
  }

  /** The others are gone: who is left asks for anything. */
  #pause(): void {
    this.#active = false;
    for (const peer of this.#peers.keys()) this.#components.tell(peer);
  }

  /** All is out: from now on everybody asks for what is missing. */
  #end(): void {
    this.#over = true;
    this.#active = false;
    for (const peer of this.#peers.keys()) this.#components.tell(peer);
    this.#peers.clear();
    this.#components.onOut();
  }
}
