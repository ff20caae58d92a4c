import { PeerError } from '../errors.ts';
import { v1PieceCount, type V1Torrent } from '../image/index.ts';
import { Bitfield } from '../policy/index.ts';
import { Answers } from './answers.ts';
import {
  extensionHandshakeId,
  metadataExtensionId,
  parseExtensionHandshake,
  parseMetadataMessage,
} from './extension.ts';
import { Greeting } from './greeting.ts';
import type { Message } from './message.ts';
import { tendPeer, type Peer, type PeerListener } from './peer.ts';
import { PeerTally } from './peer-tally.ts';
import type { SwarmData } from './swarm-data.ts';

export interface V1SeedComponents {
  readonly data: SwarmData;
  readonly now: () => number;
  readonly listenPort: () => number | undefined;
}

/**
 * Serves an image of the store to BitTorrent v1 clients that can't read hybrids, by a torrent of its
 * own (BEP 3). They can only fetch: what they have of it is never asked for.
 */
export class V1Seed implements PeerListener, AsyncDisposable {
  readonly torrent: V1Torrent;
  readonly #components: V1SeedComponents;
  readonly #peers = new Set<Peer>();
  readonly #tally = new PeerTally({ peers: () => this.#peers });
  readonly #answers: Answers;
  readonly #greeting: Greeting;

  constructor(components: V1SeedComponents, init: { torrent: V1Torrent; tree: string }) {
    this.#components = components;
    this.torrent = init.torrent;
    const info = { encoded: init.torrent.info };
    const source = { info, content: undefined };
    this.#answers = new Answers({ source: () => source });
    const offer = {
      metadataBytes: info.encoded.length,
      have: Bitfield.full(v1PieceCount(this.torrent.layout)),
      injects: false,
    };
    const { listenPort } = components;
    const place = { zone: '', rack: '' };
    this.#greeting = new Greeting({ listenPort, offerTo: () => offer }, { place });
    components.data.openV1(init.torrent.layout, init.tree);
  }

  get infoHash(): Buffer {
    return this.torrent.layout.infoHash;
  }

  get sentBytes(): number {
    return this.#tally.sentBytes;
  }

  /** Takes in a connection whose handshakes are done. */
  addPeer(peer: Peer): void {
    peer.listener = this;
    this.#peers.add(peer);
    this.#greeting.greet(peer);
    this.#components.data.bind(peer);
  }

  onMessage(peer: Peer, message: Message): void {
    if (message.type === 'interested') this.#greeting.answerInterest(peer);
    if (message.type !== 'extended') return;
    try {
      if (message.id === extensionHandshakeId) {
        peer.setExtension(parseExtensionHandshake(message.payload));
      } else if (message.id === metadataExtensionId) {
        const asked = parseMetadataMessage(message.payload);
        if (asked?.type === 'request') this.#answers.metadata(peer, asked.piece);
      }
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      peer.close(error);
    }
  }

  onUntrue(): void {
    // Nothing is asked of these peers.
  }

  onReturned(): void {
    // Nothing is asked of these peers.
  }

  onTally(): void {
    // Who asks for the counters gets them.
  }

  onClose(peer: Peer): void {
    this.#peers.delete(peer);
    this.#tally.left(peer);
  }

  onSettled(peer: Peer, sentBytes: number, receivedBytes: number): void {
    this.#tally.settled(peer, sentBytes, receivedBytes);
  }

  /** Called about once a second. */
  tick(): void {
    for (const peer of this.#peers) tendPeer(peer, this.#components.now());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) peer.close();
    await this.#components.data.close();
  }
}
