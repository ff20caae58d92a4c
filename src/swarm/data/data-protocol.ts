import type { CredentialClaims, PeerTlsOptions } from '../../trust/sealed.ts';
import type { FleetPass } from './admission.ts';
import type { ImageLayoutData } from './image-layout.ts';

/**
 * What the main thread and the data threads say to each other. The main thread decides: who is
 * connected, who is asked for which piece. A data thread owns its connections, and blocks never
 * leave it: it decrypts, verifies, writes, reads and sends. A *link* is the number by which both
 * know a connection, an image's *key* that by which both know an image.
 */
export type DataCommand =
  | {
      readonly type: 'listen';
      readonly transport: Transport;
      readonly host: string;
      readonly port: number;
    }
  | {
      readonly type: 'openImage';
      readonly image: number;
      readonly layout: ImageLayoutData;
      readonly tree: string;
      readonly uploadRate: SharedArrayBuffer;
      readonly downloadRate: SharedArrayBuffer;
    }
  | {
      readonly type: 'moveImage';
      readonly image: number;
      readonly tree: string;
      readonly done: boolean;
    }
  | { readonly type: 'shareImage'; readonly image: number; readonly share: number }
  /** Limits are others than before: who waits because of them looks again. */
  | { readonly type: 'limitsChanged' }
  | { readonly type: 'retryWrites'; readonly image: number }
  | { readonly type: 'closeImage'; readonly image: number }
  | {
      readonly type: 'dial';
      readonly link: number;
      readonly transport: Transport;
      readonly host: string;
      readonly port: number;
      readonly handshake: Uint8Array;
      /** Which apps the image is of: a peer whose credential allows none of them is told nothing of it. */
      readonly apps: readonly string[];
    }
  /** @property url where the tree of the image lies; it ends with a slash. */
  | { readonly type: 'openWebSeed'; readonly link: number; readonly url: string }
  /** What the peer says from now on about pieces is about this image. */
  | {
      readonly type: 'bind';
      readonly link: number;
      readonly image: number;
      /** Of a peer that has it as a v1-only torrent: the size of the pieces there. */
      readonly v1PieceSizeBytes?: number | undefined;
    }
  | { readonly type: 'peer'; readonly link: number; readonly abilities: PeerAbilities }
  | { readonly type: 'send'; readonly link: number; readonly bytes: Uint8Array }
  | { readonly type: 'want'; readonly link: number; readonly pieces: readonly number[] }
  | { readonly type: 'unwant'; readonly link: number; readonly pieces: readonly number[] }
  | { readonly type: 'drop'; readonly link: number }
  /** Who belongs to the fleet: these, */
  | { readonly type: 'members'; readonly peerIds: readonly string[] }
  /** or who shows a credential. Whose is not good any more is closed at once. */
  | { readonly type: 'fleet'; readonly pass: FleetPass }
  /** What new connections are sealed with from now on. */
  | { readonly type: 'tls'; readonly tls: PeerTlsOptions }
  /** The batch of events with this number was worked through. */
  | { readonly type: 'heard'; readonly batch: number }
  | { readonly type: 'end' };

export type Transport = 'sealed' | 'plain';

/** What a peer said of itself that matters for asking it. */
export interface PeerAbilities {
  readonly maxRequestBytes?: number | undefined;
  readonly requestQueue?: number | undefined;
  readonly maxMessageBytes?: number | undefined;
}

/** An error that crossed between threads. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

export type DataEvent =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'listenFailed'; readonly message: string }
  /** A peer connected to us. */
  | {
      readonly type: 'accepted';
      readonly link: number;
      readonly address: string;
      readonly transport: Transport;
    }
  | {
      readonly type: 'handshake';
      readonly link: number;
      readonly bytes: Uint8Array;
      /** Of a sealed connection: the peer id that its certificate proves. */
      readonly identity: string | undefined;
      /** What it has shown a credential for. */
      readonly claims?: CredentialClaims | undefined;
    }
  /** A message that is for the main thread, without its length prefix. */
  | { readonly type: 'message'; readonly link: number; readonly body: Uint8Array }
  /** Pieces are verified and written. */
  | {
      readonly type: 'verified';
      readonly link: number;
      readonly image: number;
      readonly pieces: number[];
      tally: Tally;
    }
  /** What is wanted of this peer is about to end; it can be asked for one piece more. */
  | { readonly type: 'low'; readonly link: number; readonly tally: Tally }
  /** A piece was not what the image has there. */
  | { readonly type: 'untrue'; readonly link: number; readonly piece: number }
  | {
      readonly type: 'returned';
      readonly link: number;
      readonly pieces: readonly number[];
      readonly why: 'rejected' | 'choked';
    }
  | {
      readonly type: 'unwritten';
      readonly image: number;
      readonly piece: number;
      readonly path: string;
      readonly failure: Failure;
    }
  /** About once a second, for each connection on which something happened. */
  | { readonly type: 'tally'; readonly link: number; readonly tally: Tally }
  | {
      readonly type: 'closed';
      readonly link: number;
      readonly tally: Tally;
      readonly failure: Failure | undefined;
    }
  | { readonly type: 'imageClosed'; readonly image: number }
  | { readonly type: 'warning'; readonly message: string; readonly failure: Failure }
  | { readonly type: 'ended' };

/** The counters of a connection: payload of blocks, and how much it should be asked for at a time. */
export interface Tally {
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly windowBytes: number;
  readonly rateBytesPerSecond: number;
  /** Of a web seed: all that it was asked for, less what it certainly did not send. */
  readonly spentBytes?: number | undefined;
}

/** The events of one turn of a data thread. */
export interface DataBatch {
  readonly batch: number;
  readonly events: readonly DataEvent[];
}

/** What a data thread is told when it is made. */
export interface DataPlaneInit {
  /** Connections that it takes at the most. */
  readonly maxConnections: number;
  /** The links that it numbers itself, those of peers that connect, are below this, negative. */
  readonly firstAcceptedLink: number;
  readonly cacheBytes: number;
  readonly uploadRate: SharedArrayBuffer;
  readonly downloadRate: SharedArrayBuffer;
  /** With which the sealed transport is spoken at first; without it only plain connections are. */
  readonly tls: PeerTlsOptions | undefined;
}
