import type { SealedPeer } from './admission.ts';
import type { PeerAbilities } from './data-protocol.ts';
import type { OpenImage } from './open-image.ts';

/** What a data plane needs of a connection, whatever is at its other end. */
export interface DataLink {
  readonly link: number;
  /** Of a sealed connection: who it is. */
  readonly peer?: SealedPeer | undefined;
  /** The batch in which the main thread was told something last. */
  lastBatch: number;
  /** The main thread has worked through all that was said so far. */
  heard(): void;
  /** Tells the counters, if they have changed since. Called about once a second. */
  tellTally(): void;
  /** What was waited for because of a limit has another price, or none. */
  onLimitsChanged(): void;
  /** @param v1PieceSizeBytes the peer speaks of the image's v1-only torrent, with pieces of this size */
  bind(image: OpenImage, v1PieceSizeBytes?: number): void;
  isOf(image: OpenImage): boolean;
  setAbilities(abilities: PeerAbilities): void;
  want(pieces: readonly number[]): void;
  unwant(pieces: readonly number[]): void;
  /** Sends what the main thread has to say. */
  send(bytes: Uint8Array): void;
  close(error?: Error): void;
}
