import { PeerError } from '../errors.ts';
import type { Metainfo } from '../image/index.ts';
import type { PieceSet } from '../policy/index.ts';
import { encodeMetadataMessage, metadataPieceBytes, type MetadataMessage } from './extension.ts';
import { answerHashRange } from './hash-range.ts';
import type { PieceReader } from './image-reader.ts';
import type { HashRange } from './message.ts';
import type { Peer } from './peer.ts';
import type { PieceMap } from './piece-map.ts';

/** What there is to answer from, as far as it is known. */
export interface AnswerSource {
  readonly info: { readonly encoded: Buffer } | undefined;
  /** Known together, when the piece layers are. */
  readonly content:
    | {
        readonly metainfo: Metainfo;
        readonly pieces: PieceMap;
        readonly reader: PieceReader;
        readonly have: PieceSet;
      }
    | undefined;
}

const maxHashRequests = 64;
/**
 * What a peer may have asked for at once of the info dictionary: a request is a five-hundredth of its
 * answer, so that thousands come together. webtorrent asks for all of 10 MB at once.
 */
const maxUnsentBytes = 12 << 20;

/**
 * Answers what peers ask for of the info dictionary and of hashes. Who does not read what he asked
 * for is dropped by the data plane.
 */
export class Answers {
  readonly #source: () => AnswerSource;

  constructor(components: { source: () => AnswerSource }) {
    this.#source = components.source;
  }

  /**
   * A part of the info dictionary (BEP 9).
   * @throws PeerError PEER_PROTOCOL when more is asked for at once than may be
   */
  metadata(peer: Peer, piece: number): void {
    const id = peer.extension?.metadataId;
    if (!id || peer.closed) return;
    if (peer.unsentBytes > maxUnsentBytes) {
      throw new PeerError('PEER_PROTOCOL', `${peer.address} asks for more metadata than it may`);
    }
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
    const { content } = this.#source();
    if (content === undefined) return undefined;
    return answerHashRange(range, { ...content, has: (piece) => content.have.has(piece) });
  }
}
