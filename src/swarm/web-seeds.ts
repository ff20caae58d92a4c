import type { PeerError } from '../errors.ts';
import type { ImageInfo, Metainfo } from '../image/index.ts';
import {
  originAsker,
  originRunPieces,
  originUse,
  type Bitfield,
  type OriginUse,
} from '../policy/index.ts';
import type { Download } from './download.ts';
import { OriginPermit, type OriginPermitInit } from './origin-permit.ts';
import type { Peer, PeerListener } from './peer.ts';
import { fetchMetainfo } from './web-metadata.ts';
import type { WebPeer } from './web-peer.ts';
import { WebRates, type OriginPace } from './web-rates.ts';

/** What a swarm shows its web seeds. */
export interface WebSeededSwarm {
  readonly imageId: string;
  /** `metadata`: it is not known yet what the image is; `idle`: nothing is to be fetched. */
  readonly phase: 'metadata' | 'fetching' | 'idle';
  readonly peers: ReadonlySet<Peer>;
  readonly info: ImageInfo | undefined;
  readonly download: Download | undefined;
  /** What came from everybody, web seeds included. */
  readonly receivedBytes: number;
  /** Takes what was fetched and verified. */
  takeMetainfo(metainfo: Metainfo): void;
  bind(peer: Peer): void;
  onWebTally(): void;
  onWebClosed(peer: Peer): void;
}

export interface WebSeedsComponents {
  readonly now: () => number;
  /** How fast web seeds are, for all images of this host. */
  readonly pace: OriginPace;
  /** Makes a link to a web seed. */
  readonly open: (init: { url: string; name: string }) => WebPeer;
  readonly onWarning: (message: string, error: unknown) => void;
}

export interface WebSeedsInit extends Pick<OriginPermitInit, 'hasTracker' | 'budget' | 'onHurry'> {
  /** The folders STORE/ID/ of the image, each with a slash at its end. */
  readonly urls: readonly string[];
  /** Whether there is anybody else to look for: a tracker, or peers that are known. */
  readonly hasOtherSources: () => boolean;
}

interface Entry {
  readonly url: string;
  /** The URL without what is secret in it. */
  readonly name: string;
  peer: WebPeer | undefined;
  failures: number;
  notBeforeMs: number;
  banned: boolean;
}

const retryMs = { first: 2_000, most: 120_000 };
/** Who was served so long without a failure may fail again without being taken for broken. */
const soundMs = 60_000;

/** The web seeds of one swarm: when they are asked, for what, and what becomes of those that fail. */
export class WebSeeds implements PeerListener {
  readonly permit: OriginPermit;
  readonly #components: WebSeedsComponents;
  readonly #init: WebSeedsInit;
  readonly #entries: Entry[];
  readonly #closing = new AbortController();
  readonly #begunMs: number;
  readonly #rates: WebRates;
  #swarm: WebSeededSwarm | undefined;
  #use: OriginUse = 'nothing';
  #goneBytes = { spent: 0, received: 0 };
  #fetchingMetadata = false;

  constructor(components: WebSeedsComponents, init: WebSeedsInit) {
    this.#components = components;
    this.#init = init;
    this.#begunMs = components.now();
    this.#rates = new WebRates(components);
    this.#entries = init.urls.map((url) => {
      const { protocol, host, pathname } = new URL(url);
      const name = `${protocol}//${host}${pathname}`;
      return { url, name, peer: undefined, failures: 0, notBeforeMs: 0, banned: false };
    });
    const takenBytes = () => this.spentBytes;
    this.permit = new OriginPermit(components, { ...init, takenBytes });
  }

  attach(swarm: WebSeededSwarm): void {
    this.#swarm = swarm;
  }

  /** The links that are open. */
  get peers(): WebPeer[] {
    return this.#entries.flatMap(({ peer }) => (peer === undefined ? [] : [peer]));
  }

  /** What web seeds were asked for in all, less what they certainly did not send. */
  get spentBytes(): number {
    return this.peers.reduce((sum, peer) => sum + peer.spentBytes, this.#goneBytes.spent);
  }

  get #receivedBytes(): number {
    return this.peers.reduce((sum, peer) => sum + peer.receivedBytes, this.#goneBytes.received);
  }

  get #owedBytes(): number {
    const download = this.#swarm?.download;
    if (download === undefined) return 0;
    return this.peers.reduce((sum, peer) => sum + download.owedBytes(peer), 0);
  }

  /** Called about once a second. */
  tick(): void {
    const swarm = this.#swarm;
    if (swarm === undefined || this.#closing.signal.aborted) return;
    this.#rates.sample(swarm.receivedBytes, this.#receivedBytes, this.#owedBytes > 0);
    this.#use = swarm.phase === 'idle' ? 'nothing' : this.#decide(swarm);
    this.permit.sizeBytes = swarm.info?.sizeBytes ?? 0;
    this.permit.wanted = this.#wants(swarm) || this.#owedBytes > 0;
    this.permit.tick();
    if (swarm.phase === 'idle') this.#closeAll();
    if (!this.permit.wanted || this.permit.pass === undefined) return;
    if (swarm.phase === 'metadata') this.#fetchMetadata(swarm);
    else this.#fill(swarm);
  }

  #decide(swarm: WebSeededSwarm): OriginUse {
    let seeds = 0;
    for (const peer of swarm.peers) if (peer.pieces?.isFull === true) seeds += 1;
    return originUse({
      lookedMs: this.#components.now() - this.#begunMs,
      hasOtherSources: this.#init.hasOtherSources(),
      seeds,
      swarmBytesPerSecond: this.#rates.swarmBytesPerSecond,
      originBytesPerSecond: this.#rates.originBytesPerSecond,
    });
  }

  #wants(swarm: WebSeededSwarm): boolean {
    if (this.#use === 'nothing' || this.#entries.every(({ banned }) => banned)) return false;
    if (swarm.phase === 'metadata') return true;
    const { pieces, missing } = swarm.download?.wanted ?? { pieces: 0, missing: 0 };
    return this.#use === 'rarest' ? pieces > 0 : missing > 0;
  }

  #fill(swarm: WebSeededSwarm): void {
    const { download } = swarm;
    if (download === undefined) return;
    for (const entry of this.#entries) {
      if (entry.peer === undefined && this.#mayOpen(entry)) this.#open(swarm, download, entry);
      if (entry.peer !== undefined) download.fill(entry.peer);
    }
  }

  #mayOpen({ banned, notBeforeMs }: Entry): boolean {
    return !banned && notBeforeMs <= this.#components.now();
  }

  #open(swarm: WebSeededSwarm, download: Download, entry: Entry): void {
    const { url, name } = entry;
    const tree = new URL(`${encodeURIComponent(swarm.info?.name ?? '')}/`, url).href;
    const peer = this.#components.open({ url: tree, name });
    entry.peer = peer;
    peer.listener = this;
    peer.allow = () => this.#allowed(swarm);
    swarm.bind(peer);
    download.addPeer(peer);
  }

  /** The pieces that this host may ask the origin for at the moment. */
  #allowed(swarm: WebSeededSwarm): Pick<Bitfield, 'has'> | undefined {
    const { download, info } = swarm;
    const { pass } = this.permit;
    const use = this.#use;
    if (pass === undefined || download === undefined || info === undefined) return undefined;
    const roomBytes = pass.limitBytes - this.spentBytes - this.#owedBytes;
    if (use === 'nothing' || roomBytes <= 0) return undefined;
    const runPieces = originRunPieces(info);
    return {
      has: (piece) =>
        (use === 'rarest' || download.availability(piece) === 0) &&
        originAsker(Math.floor(piece / runPieces), pass.slots) === pass.slot &&
        download.sizeBytes(piece) <= roomBytes,
    };
  }

  #fetchMetadata(swarm: WebSeededSwarm): void {
    const entry = this.#entries.find((each) => this.#mayOpen(each));
    if (entry === undefined || this.#fetchingMetadata) return;
    this.#fetchingMetadata = true;
    fetchMetainfo(entry.url, swarm.imageId, { signal: this.#closing.signal })
      .then(
        (metainfo) => {
          swarm.takeMetainfo(metainfo);
        },
        (error: unknown) => {
          if (!this.#closing.signal.aborted) this.#failed(entry, error);
        },
      )
      .finally(() => (this.#fetchingMetadata = false));
  }

  /** It is tried again, with growing pauses. */
  #failed(entry: Entry, error: unknown): void {
    const pauseMs = Math.min(retryMs.most, retryMs.first * 2 ** entry.failures);
    entry.failures += 1;
    entry.notBeforeMs = this.#components.now() + pauseMs;
    const what = `the web seed ${entry.name} failed; it is tried again in ${pauseMs / 1_000} s`;
    this.#components.onWarning(what, error);
  }

  /** Whoever lied is never asked again. @returns whether it is one of these */
  ban(id: string, error: PeerError): boolean {
    const entry = this.#entries.find(({ name }) => name === id);
    if (entry === undefined) return false;
    entry.banned = true;
    entry.peer?.close(error);
    this.#components.onWarning(`the web seed ${id} is not asked again`, error);
    return true;
  }

  onMessage(): void {
    return;
  }

  onUntrue(peer: Peer, piece: number): void {
    this.#swarm?.download?.onUntrue(peer, piece);
  }

  onReturned(peer: Peer, pieces: readonly number[], why: 'rejected' | 'choked'): void {
    this.#swarm?.download?.onReturned(peer, pieces, why);
  }

  onTally(peer: Peer): void {
    this.permit.tick();
    this.#swarm?.download?.fill(peer);
    this.#swarm?.onWebTally();
  }

  onSettled(_peer: Peer, _sentBytes: number, receivedBytes: number): void {
    this.#goneBytes.received += receivedBytes;
  }

  onClose(peer: Peer, error: Error | undefined): void {
    const entry = this.#entries.find((each) => each.peer === peer);
    if (entry?.peer === undefined) return;
    const { spentBytes, receivedBytes, openedMs } = entry.peer;
    // What it was asked for and did not tell of counts as taken.
    this.#goneBytes.spent += spentBytes + (this.#swarm?.download?.owedBytes(peer) ?? 0);
    this.#goneBytes.received += receivedBytes;
    entry.peer = undefined;
    this.#swarm?.onWebClosed(peer);
    if (error === undefined || entry.banned || this.#closing.signal.aborted) return;
    if (this.#components.now() - openedMs > soundMs) entry.failures = 0;
    this.#failed(entry, error);
  }

  #closeAll(): void {
    for (const peer of this.peers) peer.close();
  }

  /** Nothing is asked for any more; what was taken can still be told. */
  close(): void {
    this.#closing.abort();
    this.permit.wanted = false;
    this.#closeAll();
  }
}
