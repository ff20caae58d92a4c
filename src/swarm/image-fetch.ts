import { join } from 'node:path';
import type { PeerError } from '../errors.ts';
import type { Metainfo } from '../image/index.ts';
import type { GatewaySlots } from '../policy/index.ts';
import type { DataEvent } from './data/data-protocol.ts';
import { Download } from './download.ts';
import { HaveNews } from './have-news.ts';
import { contentOf, type ImageContent } from './image-content.ts';
import { IncomingImage, type IncomingComponents } from './incoming-image.ts';
import type { Peer } from './peer.ts';
import type { PieceBudget } from './piece-budget.ts';
import { isStorageFault, storageFailure } from './storage-failure.ts';
import type { SwarmData } from './swarm-data.ts';
import type { SwarmLife } from './swarm-life.ts';
import type { SwarmPeers } from './swarm-peers.ts';

export interface ImageFetchComponents extends IncomingComponents {
  readonly random: () => number;
  readonly now: () => number;
  readonly data: SwarmData;
  readonly budget: PieceBudget;
  readonly life: SwarmLife;
  readonly peers: SwarmPeers;
  /** Tells the data plane of a peer that it is about this image. */
  readonly bind: (peer: Peer) => void;
}

export interface ImageFetchInit {
  /** Pieces are missing, and were asked of all peers. */
  readonly onFetching: () => void;
  /** This peer lied and must not be connected again. */
  readonly onLiar: (peerId: string, error: PeerError) => void;
}

const retryStorageMs = 5_000;

/**
 * Brings an image whose metainfo is known into the store: takes over what this host has of it, fetches
 * the rest, completes the tree. A disk that takes nothing pauses it, and is tried again.
 */
export class ImageFetch {
  readonly #components: ImageFetchComponents;
  readonly #init: ImageFetchInit;
  readonly #news: HaveNews;
  #incoming: IncomingImage | undefined;
  #content: ImageContent | undefined;
  #download: Download | undefined;
  #slots: GatewaySlots | undefined;
  #reusedBytes = 0;
  /** What is tried again when the disk may work again. */
  #retry: { readonly step: () => Promise<void>; readonly atMs: number } | undefined;

  constructor(components: ImageFetchComponents, init: ImageFetchInit) {
    this.#components = components;
    this.#init = init;
    this.#news = new HaveNews({ peers: () => components.peers.all });
  }

  /** Known when the disk was looked at. */
  get content(): ImageContent | undefined {
    return this.#content;
  }

  get download(): Download | undefined {
    return this.#download;
  }

  get verifiedBytes(): number {
    return this.#incoming?.verifiedBytes ?? 0;
  }

  /** What was taken over from other images of this host. */
  get reusedBytes(): number {
    return this.#reusedBytes;
  }

  /** What this host stands for; peers share out by it what they ask for. */
  set slots(slots: GatewaySlots) {
    this.#slots = slots;
    if (this.#download !== undefined) this.#download.slots = slots;
  }

  /** Begins, or goes on where it was left. */
  async open(metainfo: Metainfo): Promise<void> {
    const { life, data } = this.#components;
    const { signal } = life;
    life.set('checking');
    let incoming: IncomingImage;
    try {
      incoming = await IncomingImage.open(this.#components, metainfo, { signal });
      this.#incoming = incoming;
      this.#reusedBytes += await incoming.reuse({ signal });
    } catch (error) {
      this.#pauseUntilStorage(error, () => this.open(metainfo));
      return;
    }
    if (signal.aborted) return;
    this.#content = contentOf(metainfo, incoming.tree, incoming.have);
    data.open(metainfo, incoming.tree, incoming.have);
    life.set('fetching');
    this.#begin(incoming);
  }

  #begin(incoming: IncomingImage): void {
    const { life, peers, bind } = this.#components;
    const knownBefore = [...incoming.have];
    const download = this.#makeDownload(incoming);
    this.#download = download;
    download.slots = this.#slots;
    peers.each((peer) => {
      bind(peer);
      if (!peer.isV1Only) for (const piece of knownBefore) peer.send({ type: 'have', piece });
      download.addPeer(peer);
    });
    if (incoming.have.isFull) {
      life.run(() => this.#finish());
      return;
    }
    download.fillAll();
    this.#init.onFetching();
  }

  #makeDownload(incoming: IncomingImage): Download {
    const { life, budget, random, now, data } = this.#components;
    return new Download(
      { incoming, budget, random, now },
      {
        onPiece: (piece) => {
          data.setHeld(piece, true);
          this.#news.add(piece);
          life.changedSoon();
        },
        onLiar: this.#init.onLiar,
        onPaused: (error) => {
          life.set('paused', error.message);
        },
        onResumed: () => {
          life.set('fetching');
        },
        onRetry: () => {
          data.retryWrites();
        },
        onComplete: () => {
          life.run(() => this.#finish());
        },
      },
    );
  }

  async #finish(): Promise<void> {
    const { life, store, data } = this.#components;
    const incoming = this.#incoming;
    if (incoming === undefined || life.signal.aborted) return;
    if (life.state === 'completing' || life.state === 'seeding') return;
    life.set('completing');
    if (this.#content !== undefined) {
      const { imageId, name } = incoming.metainfo.info;
      this.#content.reader.movesTo = join(store.directory, imageId, name);
      data.moveTo(this.#content.reader.movesTo, false);
    }
    try {
      const stored = await incoming.complete({ signal: life.signal });
      if (this.#content !== undefined) this.#content.reader.tree = stored.tree;
      data.moveTo(stored.tree, true);
      life.complete(stored);
    } catch (error) {
      this.#pauseUntilStorage(error, () => this.#finishAgain(incoming));
      // What could not be synced is not here any more.
      data.setAllHeld(incoming.have);
    }
  }

  /**
   * After a failed sync some files were forgotten: then they are fetched first, though not before
   * the disk has shown that it can hold them. Else they would be fetched again and again.
   */
  async #finishAgain(incoming: IncomingImage): Promise<void> {
    if (incoming.have.isFull) return this.#finish();
    try {
      await incoming.assertRoom({ signal: this.#components.life.signal });
    } catch (error) {
      this.#pauseUntilStorage(error, () => this.#finishAgain(incoming));
      return;
    }
    this.#download?.close();
    // Files that were given up are not written to any more.
    this.#components.data.moveTo(incoming.tree, true);
    await incoming[Symbol.asyncDispose]();
    await this.open(incoming.metainfo);
  }

  /** @throws the error, when it is not that of a disk which may come back */
  #pauseUntilStorage(error: unknown, step: () => Promise<void>): void {
    if (!isStorageFault(error)) throw error;
    const { life, now } = this.#components;
    life.set('paused', error.message);
    this.#retry = { step, atMs: now() + retryStorageMs };
  }

  /** A data plane could not write a piece that it has verified. */
  onUnwritten({ piece, path, failure }: Extract<DataEvent, { type: 'unwritten' }>): void {
    const cause = Object.assign(new Error(failure.message), { code: failure.code });
    this.#download?.onUnwritten(piece, storageFailure('writing', path, cause));
  }

  /** Called about once a second. */
  tick(): void {
    const { life, now } = this.#components;
    if (life.state === 'fetching' || this.#download?.paused === true) this.#download?.tick();
    const retry = this.#retry;
    if (retry === undefined || now() < retry.atMs) return;
    this.#retry = undefined;
    life.run(retry.step);
  }

  /** Nothing is asked for any more, and nobody is told of pieces. */
  stop(): void {
    this.#news[Symbol.dispose]();
    this.#download?.close();
  }

  /** Closes the files, after `stop` and after the data planes have closed theirs. */
  async close(): Promise<void> {
    this.#content?.reader[Symbol.dispose]();
    await this.#incoming?.[Symbol.asyncDispose]();
  }
}
