import type { Bitfield, GatewaySlots, Place } from '../policy/index.ts';
import { maxBlockBytes } from './data/wire-reader.ts';
import { clientName, encodeExtensionHandshake, extensionHandshakeId } from './extension.ts';
import { requestQueueLimit } from './message.ts';
import type { Peer } from './peer.ts';

/** What of an image this host tells a peer. */
export interface Offer {
  /** The size of the info dictionary, where it can be asked for. */
  readonly metadataBytes: number | undefined;
  /** The pieces that are here, where it is known. */
  readonly have: Bitfield | undefined;
  /** Whether pieces are handed out. */
  readonly injects: boolean;
}

export interface GreetingComponents {
  readonly offerTo: (peer: Peer) => Offer;
  readonly listenPort: () => number | undefined;
}

export interface GreetingInit {
  /** Where this host stands. */
  readonly place: Place;
}

/** What this host says to each peer of a swarm first: who it is, and what it has. */
export class Greeting {
  /** What this host stands for; undefined: nobody said. */
  slots: GatewaySlots | undefined;
  readonly #components: GreetingComponents;
  readonly #place: Place;

  constructor(components: GreetingComponents, init: GreetingInit) {
    this.#components = components;
    this.#place = init.place;
  }

  greet(peer: Peer): void {
    this.introduce(peer);
    tellPieces(peer, this.#components.offerTo(peer).have);
    // Inside a fleet there is no choking: hosts have one owner.
    peer.send({ type: 'unchoke' });
  }

  /**
   * Tells a peer that says it is interested, the first time, that it may ask. It was told when it
   * was greeted, but webtorrent 3 forgets that when its store was not open yet, and waits for ever.
   */
  answerInterest(peer: Peer): void {
    if (peer.interestedInUs) return;
    peer.interestedInUs = true;
    peer.send({ type: 'unchoke' });
  }

  /** Says what this host is and can (BEP 10), to who knows of such things; it may be said again. */
  introduce(peer: Peer): void {
    if (peer.handshake?.extensionProtocol !== true) return;
    const { metadataBytes, injects } = this.#components.offerTo(peer);
    const payload = encodeExtensionHandshake({
      metadataBytes,
      requestQueue: requestQueueLimit,
      injects,
      place: this.#place,
      slots: this.slots ?? [undefined, undefined],
      maxRequestBytes: maxBlockBytes,
      listenPort: this.#components.listenPort(),
      client: clientName,
    });
    peer.send({ type: 'extended', id: extensionHandshakeId, payload });
  }
}

function tellPieces(peer: Peer, have: Bitfield | undefined): void {
  const fast = peer.handshake?.fastExtension === true;
  if (have === undefined || have.count === 0) {
    if (fast) peer.send({ type: 'haveNone' });
  } else if (have.isFull && fast) {
    peer.send({ type: 'haveAll' });
  } else {
    peer.send({ type: 'bitfield', bits: have.toBytes() });
  }
}
