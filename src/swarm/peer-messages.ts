import { levelBetween, type Place } from '../policy/index.ts';
import type { Answers } from './answers.ts';
import {
  extensionHandshakeId,
  metadataExtensionId,
  parseExtensionHandshake,
  parseMetadataMessage,
  type ExtensionHandshake,
} from './extension.ts';
import type { Greeting } from './greeting.ts';
import type { ImageFetch } from './image-fetch.ts';
import type { Message } from './message.ts';
import type { MetainfoFetch } from './metainfo-fetch.ts';
import type { Peer } from './peer.ts';
import type { SeedInjection } from './seed-injection.ts';

export interface PeerMessagesComponents {
  readonly greeting: Greeting;
  readonly answers: Answers;
  readonly metainfo: MetainfoFetch;
  readonly fetch: ImageFetch;
  /** Of a host that has the image from the start. */
  readonly injection: SeedInjection | undefined;
}

export interface PeerMessagesInit {
  /** Where this host stands. */
  readonly place: Place;
}

/** Who of a swarm is to hear of a peer's message: what is asked is answered, what is told is noted. */
export class PeerMessages {
  readonly #greeting: Greeting;
  readonly #answers: Answers;
  readonly #metainfo: MetainfoFetch;
  readonly #fetch: ImageFetch;
  readonly #injection: SeedInjection | undefined;
  readonly #place: Place;

  constructor(components: PeerMessagesComponents, init: PeerMessagesInit) {
    this.#greeting = components.greeting;
    this.#answers = components.answers;
    this.#metainfo = components.metainfo;
    this.#fetch = components.fetch;
    this.#injection = components.injection;
    this.#place = init.place;
  }

  /** @throws PeerError when the peer may not say that */
  handle(peer: Peer, message: Message): void {
    switch (message.type) {
      case 'choke':
        peer.chokedByThem = true;
        return;
      case 'unchoke':
        peer.chokedByThem = false;
        this.#fetch.download?.fill(peer);
        return;
      case 'have':
      case 'bitfield':
      case 'haveAll':
      case 'haveNone':
        this.#onPieces(peer, message);
        this.#metainfo.onPieces(peer);
        return;
      case 'extended':
        this.#onExtended(peer, message.id, message.payload);
        return;
      case 'suggestPiece':
        peer.onSuggested(message.piece);
        this.#fetch.download?.fill(peer);
        return;
      case 'hashRequest':
        this.#answers.hashes(peer, message.range);
        return;
      case 'hashes':
        this.#metainfo.onHashes(peer, message.range, message.hashes);
        return;
      case 'hashReject':
        this.#metainfo.onReject(peer, message.range);
        return;
      case 'interested':
        this.#greeting.answerInterest(peer);
        return;
      case 'keepAlive':
      case 'notInterested':
      case 'allowedFast':
      case 'unknown':
      // Blocks are the data plane's.
      case 'request':
      case 'cancel':
      case 'rejectRequest':
      case 'piece':
        return;
    }
  }

  #onPieces(peer: Peer, message: Message): void {
    const download = peer.pieces === undefined ? undefined : this.#fetch.download;
    if (message.type !== 'have' && download !== undefined) {
      download.changePeer(peer, () => peer.learnPieces(message));
      return;
    }
    for (const piece of peer.learnPieces(message)) {
      download?.onHave(peer, piece);
      this.#injection?.onHave(peer, piece);
    }
    if (message.type !== 'have' || peer.pieces?.isFull === true) this.#injection?.consider(peer);
  }

  #onExtended(peer: Peer, id: number, payload: Uint8Array): void {
    if (id === extensionHandshakeId) {
      this.#onExtensionHandshake(peer, parseExtensionHandshake(payload));
      this.#injection?.consider(peer);
      this.#metainfo.ask(peer);
      this.#fetch.download?.fill(peer);
    } else if (id === metadataExtensionId && !peer.isV1Only) {
      const message = parseMetadataMessage(payload);
      if (message?.type === 'request') this.#answers.metadata(peer, message.piece);
      else if (message !== undefined) this.#metainfo.onMetadata(peer, message);
    }
  }

  #onExtensionHandshake(peer: Peer, extension: ExtensionHandshake): void {
    const { place } = extension;
    const level = place === undefined ? 0 : levelBetween(this.#place, place);
    const change = () => {
      peer.level = level;
      peer.setExtension(extension);
    };
    const { download } = this.#fetch;
    if (level === peer.level || download === undefined) change();
    else download.changePeer(peer, change);
  }
}
