import { PeerError } from '../errors.ts';
import type { ImageInfo, Metainfo } from '../image/index.ts';
import { encodeMetadataMessage, metadataPieceBytes, type MetadataMessage } from './extension.ts';
import { answerHashRange } from './hash-range.ts';
import type { PieceReader } from './image-reader.ts';
import type { BlockRange, HashRange } from './message.ts';
import type { Peer } from './peer.ts';
import type { PieceMap } from './piece-map.ts';

/** What there is to answer from, as far as it is known. */
export interface AnswerSource {
  readonly info: ImageInfo | undefined;
  /** Known together, when the piece layers are. */
  readonly content:
    | { readonly metainfo: Metainfo; readonly pieces: PieceMap; readonly reader: PieceReader }
    | undefined;
  readonly has: (piece: number) => boolean;
}

/** Blocks are at most this long; some clients ask for more than 16 KiB. */
const maxBlockBytes = 1 << 17;
/** How much may wait to be sent to a peer that asks and does not read. */
const maxBacklogBytes = 16 << 20;
const maxHashRequests = 64;

/** Answers what peers ask for: blocks, the info dictionary, hashes. Each in bounded memory. */
export class Answers {
  readonly #source: () => AnswerSource;

  constructor(components: { source: () => AnswerSource }) {
    this.#source = components.source;
  }

  /** @throws PeerError PEER_PROTOCOL when the range is no block, or too many wait */
  request(peer: Peer, range: BlockRange): void {
    const { info, content, has } = this.#source();
    if (content === undefined || !has(range.piece)) {
      this.reject(peer, range);
      return;
    }
    const { beginBytes, lengthBytes } = range;
    // Beyond the end of a file a piece is zeros, and some ask for them: v1 clients, who know them
    // as files (BEP 47), and libtorrent 2.0 also of v2 images.
    const sizeBytes = info?.pieceSizeBytes ?? 0;
    if (lengthBytes === 0 || lengthBytes > maxBlockBytes || beginBytes + lengthBytes > sizeBytes) {
      throw new PeerError('PEER_PROTOCOL', `${peer.address} asked for a range that is no block`, {
        evidence: { ...range },
      });
    }
    peer.answer(range, content.reader);
  }

  /** @throws PeerError PEER_PROTOCOL when the peer asks and asks and takes no answers */
  reject(peer: Peer, range: BlockRange): void {
    if (peer.handshake?.fastExtension !== true) return;
    this.#assertReads(peer);
    peer.send({ type: 'rejectRequest', range });
  }

  /** A part of the info dictionary (BEP 9). */
  metadata(peer: Peer, piece: number): void {
    const id = peer.extension?.metadataId;
    if (!id) return;
    this.#assertReads(peer);
    const encoded = this.#source().info?.encoded;
    const start = piece * metadataPieceBytes;
    const answer: MetadataMessage =
      encoded === undefined || start >= encoded.length
        ? { type: 'reject', piece }
        : {
            type: 'data',
            piece,
            totalBytes: encoded.length,
            data: encoded.subarray(start, start + metadataPieceBytes),
          };
    peer.send({ type: 'extended', id, payload: encodeMetadataMessage(answer) });
  }

  /** Hashes of a merkle tree with their proof (BEP 52). */
  hashes(peer: Peer, request: HashRange): void {
    this.#assertReads(peer);
    if (peer.hashRequests >= maxHashRequests) {
      throw new PeerError('PEER_PROTOCOL', `${peer.address} sent more hash requests than it may`);
    }
    // The message is a view into the connection's buffer, and the answer takes time.
    const range = { ...request, root: Buffer.from(request.root) };
    peer.hashRequests += 1;
    this.#hashesOf(range)
      .then((hashes) => {
        peer.hashRequests -= 1;
        peer.send(
          hashes === undefined ? { type: 'hashReject', range } : { type: 'hashes', range, hashes },
        );
      })
      .catch((error: unknown) => {
        peer.close(error as Error);
      });
  }

  async #hashesOf(range: HashRange): Promise<Buffer | undefined> {
    const { content, has } = this.#source();
    if (content === undefined) return undefined;
    return answerHashRange(range, { ...content, has });
  }

  /** @throws PeerError when the peer asks and asks and takes no answers */
  #assertReads(peer: Peer): void {
    if (peer.backlogBytes > maxBacklogBytes) {
      throw new PeerError('PEER_PROTOCOL', `${peer.address} asks for more than it reads`);
    }
  }
}
