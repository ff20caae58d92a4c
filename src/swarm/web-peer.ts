import { Bitfield, type PieceSet } from '../policy/index.ts';
import type { DataEvent } from './data/data-protocol.ts';
import type { Message } from './message.ts';
import { Peer, type PeerComponents } from './peer.ts';

export interface WebPeerInit {
  readonly link: number;
  /** The URL, for people; also the name by which it is banned. */
  readonly name: string;
  readonly onClosed: () => void;
}

/**
 * A web seed among the peers: it has every piece, never chokes, and is told nothing. For the others
 * it does not count as a peer that has a piece, for it is asked only for what nobody else is to be
 * asked for; `allow` says what that is.
 */
export class WebPeer extends Peer {
  /** What it may be asked for. */
  allow: (() => PieceSet | undefined) | undefined;
  override readonly isOrigin = true;
  readonly openedMs: number;
  /** It has given pieces back, and is about to be closed. */
  #failed = false;
  readonly #bindTo: (image: number) => void;

  constructor(components: PeerComponents, init: WebPeerInit) {
    super(components, {
      link: init.link,
      address: init.name,
      outgoing: true,
      onHandshake: () => undefined,
      onClosed: init.onClosed,
    });
    this.chokedByThem = false;
    this.openedMs = components.now();
    this.#bindTo = (image) => {
      components.lane.post({ type: 'bind', link: init.link, image });
    };
  }

  override get askable(): PieceSet | undefined {
    return this.#failed ? undefined : this.allow?.();
  }

  /** All that it was asked for, less what it certainly did not send. */
  get spentBytes(): number {
    return this.tally.spentBytes ?? 0;
  }

  override onEvent(event: Extract<DataEvent, { link: number }>): void {
    if (event.type === 'returned') this.#failed = true;
    super.onEvent(event);
  }

  override send(_message: Message): void {
    return;
  }

  override bind(image: number, pieceCount: number): void {
    this.#bindTo(image);
    this.pieces = new Bitfield(pieceCount);
  }
}
