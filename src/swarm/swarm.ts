import { join } from 'node:path';
import { isStarlingError, PeerError, type StarlingError } from '../errors.ts';
import {
  infoHashOf,
  type TreeDurability,
  type ImageInfo,
  type ImageStore,
  type Metainfo,
  type StoredImage,
  type V1Layout,
} from '../image/index.ts';
import { Bitfield, levelBetween, type GatewaySlots, type Place } from '../policy/index.ts';
import { Answers } from './answers.ts';
import { maxBlockBytes } from './data/wire-reader.ts';
import { Download } from './download.ts';
import {
  clientName,
  encodeExtensionHandshake,
  extensionHandshakeId,
  metadataExtensionId,
  parseExtensionHandshake,
  parseMetadataMessage,
  type ExtensionHandshake,
} from './extension.ts';
import type { DataEvent } from './data/data-protocol.ts';
import { HaveNews } from './have-news.ts';
import { ImageReader } from './image-reader.ts';
import { IncomingImage } from './incoming-image.ts';
import { LayerFetch } from './layer-fetch.ts';
import { requestQueueLimit, type Message } from './message.ts';
import { MetadataFetch } from './metadata-fetch.ts';
import { tendPeer, type Peer, type PeerListener } from './peer.ts';
import { PeerTally } from './peer-tally.ts';
import type { PieceBudget } from './piece-budget.ts';
import { PieceMap } from './piece-map.ts';
import { SeedInjection } from './seed-injection.ts';
import { storageFailure } from './storage-failure.ts';
import type { SwarmData } from './swarm-data.ts';
import type { SwarmState, SwarmStatus } from './swarm-status.ts';
import type { WebSeededSwarm, WebSeeds } from './web-seeds.ts';

export interface SwarmComponents {
  readonly store: ImageStore;
  readonly durability: TreeDurability;
  readonly random: () => number;
  readonly now: () => number;
  /** How its data travels. */
  readonly data: SwarmData;
  readonly budget: PieceBudget;
  readonly listenPort: () => number | undefined;
  /** Where this host stands. */
  readonly place: Place;
  /** Why this host may find no peers for any image, where that is known. */
  readonly whyAlone: () => string | undefined;
  readonly webSeeds?: WebSeeds | undefined;
}

export interface SwarmInit {
  readonly imageId: string;
  /** The size of the info dictionary, where it was signed. */
  readonly infoBytes?: number | undefined;
  /** An image that is whole: the swarm only seeds. */
  readonly stored?: StoredImage | undefined;
  /** An image whose metainfo is known: it is asked of nobody. */
  readonly metainfo?: Metainfo | undefined;
  /** The v1 info-hash that a magnet link claims for it, until its own is known. */
  readonly v1InfoHash?: Buffer | undefined;
  /** A v1-only torrent of the same files, with `metainfo`: who has that is asked for blocks too. */
  readonly v1?: Pick<V1Layout, 'infoHash' | 'pieceSizeBytes'> | undefined;
}

const retryStorageMs = 5_000;
/** Its counters come about once a second. */
const idleMs = 2_500;
const progressMs = 50;

/** All peers of one image, and what is done with them: fetch until it is whole, and serve. */
export class Swarm implements PeerListener, WebSeededSwarm, AsyncDisposable {
  readonly imageId: string;
  readonly infoHash: Buffer;
  /** The v1-only torrent of the same files, if one is known. */
  readonly v1: SwarmInit['v1'];
  /** Settles when the image is whole and in the store. */
  readonly completed: Promise<StoredImage>;
  onChange: (() => void) | undefined;
  readonly #components: SwarmComponents;
  readonly #claimedV1InfoHash: Buffer | undefined;
  readonly #peers = new Set<Peer>();
  readonly #banned = new Set<string>();
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #complete: (image: StoredImage) => void;
  readonly #fail: (error: unknown) => void;
  readonly #news = new HaveNews({ peers: () => this.#peers });
  readonly #tally = new PeerTally({ peers: () => this.#sources() });
  readonly #answers = new Answers({
    source: () => ({
      info: this.#info,
      content: this.#content,
      has: (piece) => this.#have?.has(piece) === true,
    }),
  });
  #state: SwarmState = 'metadata';
  #reason: string | undefined;
  /** Why the last connection did not come about, or ended. */
  #trouble: string | undefined;
  #metadata: MetadataFetch | undefined;
  #layers: LayerFetch | undefined;
  #download: Download | undefined;
  #incoming: IncomingImage | undefined;
  #info: ImageInfo | undefined;
  #content: Content | undefined;
  #have: Bitfield | undefined;
  /** Of a host that has the image from the start. */
  #injection: SeedInjection | undefined;
  #isOut = false;
  #slots: GatewaySlots | undefined;
  #reusedBytes = 0;
  #retryAtMs = Infinity;
  #changeTimer: NodeJS.Timeout | undefined;

  constructor(components: SwarmComponents, init: SwarmInit) {
    this.#components = components;
    this.imageId = init.imageId;
    this.infoHash = infoHashOf(init.imageId);
    this.v1 = init.v1;
    this.#claimedV1InfoHash = init.v1InfoHash;
    this.#info = init.metainfo?.info;
    const { promise, resolve, reject } = Promise.withResolvers<StoredImage>();
    this.completed = promise;
    promise.catch(() => undefined);
    this.#complete = resolve;
    this.#fail = reject;
    components.webSeeds?.attach(this);
    if (init.stored !== undefined) this.#serve(init.stored);
    else this.#run(() => this.#begin(init));
  }

  get state(): SwarmState {
    return this.#state;
  }

  get isWhole(): boolean {
    return this.#state === 'seeding';
  }

  get peers(): ReadonlySet<Peer> {
    return this.#peers;
  }

  *#sources(): Generator<Peer> {
    yield* this.#peers;
    yield* this.#components.webSeeds?.peers ?? [];
  }

  get phase(): WebSeededSwarm['phase'] {
    if (this.#state === 'metadata' || this.#state === 'layers') return 'metadata';
    return this.#state === 'fetching' ? 'fetching' : 'idle';
  }

  get info(): ImageInfo | undefined {
    return this.#info;
  }

  get download(): Download | undefined {
    return this.#download;
  }

  get receivedBytes(): number {
    return this.#tally.receivedBytes;
  }

  /** Of a hybrid: the hash of its v1 half, which has the same pieces. */
  get v1InfoHash(): Buffer | undefined {
    return this.#info === undefined ? this.#claimedV1InfoHash : this.#info.v1InfoHash;
  }

  /** The hashes, of 20 bytes, under which peers of this image are found, the best first. */
  get wireHashes(): Buffer[] {
    const all = [this.infoHash.subarray(0, 20), this.v1InfoHash, this.v1?.infoHash];
    return all.filter((hash) => hash !== undefined);
  }

  /** How many bytes are still to be fetched; for announces. */
  get leftBytes(): number {
    if (this.#info === undefined) return 1;
    return this.isWhole ? 0 : Math.max(1, this.#info.sizeBytes - this.#verifiedBytes());
  }

  /** Whether this peer lied to us before. */
  isBanned(peerId: string): boolean {
    return this.#banned.has(peerId);
  }

  status(): SwarmStatus {
    return {
      imageId: this.imageId,
      state: this.#state,
      reason: this.#reason ?? this.#whyAlone(),
      name: this.#info?.name,
      sizeBytes: this.#info?.sizeBytes,
      pieces: this.#info?.pieceCount,
      verifiedPieces: this.#have?.count ?? 0,
      verifiedBytes: this.#verifiedBytes(),
      reusedBytes: this.#reusedBytes,
      receivedBytes: this.#tally.receivedBytes,
      sentBytes: this.#tally.sentBytes,
      isOut: this.#isOut,
      peers: this.#peers.size,
      receivedFrom: this.#tally.receivedFrom(),
      sources: this.#tally.sources(),
    };
  }

  #whyAlone(): string | undefined {
    if (this.#peers.size > 0 || !needsPeers.has(this.#state)) return undefined;
    return this.#components.whyAlone() ?? this.#trouble;
  }

  /** A connection did not come about. */
  onUnreached(why: string): void {
    this.#trouble = why;
    if (this.#peers.size === 0 && needsPeers.has(this.#state)) this.onChange?.();
  }

  #verifiedBytes(): number {
    if (this.isWhole) return this.#info?.sizeBytes ?? 0;
    return this.#incoming?.verifiedBytes ?? 0;
  }

  #set(state: SwarmState, reason?: string): void {
    if (this.#state === 'closed') return;
    this.#state = state;
    this.#reason = reason;
    this.onChange?.();
  }

  /** Progress is told now and then; what else changes, at once. */
  #changedSoon(): void {
    if (this.#state === 'closed') return;
    this.#changeTimer ??= setTimeout(() => {
      this.#changeTimer = undefined;
      this.onChange?.();
    }, progressMs);
  }

  /** Runs a step of the swarm's life; the one place where its failures go. */
  #run(step: () => Promise<void> | void): void {
    const running = Promise.resolve()
      .then(step)
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#metadata = undefined;
        this.#layers = undefined;
        this.#set('failed', error instanceof Error ? error.message : String(error));
        this.#fail(error);
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #begin({ infoBytes, metainfo: given }: SwarmInit): Promise<void> {
    const { store } = this.#components;
    await store.open();
    const metainfo = given ?? (await IncomingImage.findMetainfo(store, this.imageId));
    if (this.#closing.signal.aborted) return;
    // A web seed may have told of it meanwhile.
    if (given === undefined && this.#info !== undefined) return;
    if (metainfo !== undefined) {
      this.#info = metainfo.info;
      await this.#openIncoming(metainfo);
      return;
    }
    this.#metadata = new MetadataFetch(this.#components, {
      infoHash: this.infoHash,
      expectedBytes: infoBytes,
      onDone: (info) => {
        this.#beginLayers(info);
      },
    });
    for (const peer of this.#peers) this.#guard(peer, () => this.#metadata?.ask(peer));
  }

  #beginLayers(info: ImageInfo): void {
    if (this.#info !== undefined) return;
    this.#metadata = undefined;
    this.#info = info;
    this.#set('layers');
    const layers = new LayerFetch(
      { now: this.#components.now, peers: () => this.#peers },
      {
        info,
        onDone: (pieceLayers) => {
          this.#layers = undefined;
          this.#run(() => this.#openIncoming({ info, pieceLayers }));
        },
      },
    );
    this.#layers = layers;
    layers.start();
    for (const peer of this.#peers) {
      this.#sendExtensionHandshake(peer);
      if (this.#layers === layers) layers.ask(peer);
    }
  }

  /** Metadata came from elsewhere, and is verified. */
  takeMetainfo(metainfo: Metainfo): void {
    if (this.phase !== 'metadata' || this.#closing.signal.aborted) return;
    this.#metadata = undefined;
    this.#layers = undefined;
    this.#info = metainfo.info;
    // Said before the step begins, which is later: what peers send meanwhile is not needed any more.
    this.#set('checking');
    for (const peer of this.#peers) {
      this.#guard(peer, () => {
        this.#sendExtensionHandshake(peer);
      });
    }
    this.#run(() => this.#openIncoming(metainfo));
  }

  /** The tracker says what this host stands for; its peers share out by it what they ask for. */
  setSlots(slots: GatewaySlots): void {
    if (this.#slots?.[0] === slots[0] && this.#slots?.[1] === slots[1]) return;
    this.#slots = slots;
    if (this.#download !== undefined) this.#download.slots = slots;
    for (const peer of this.#peers) {
      this.#guard(peer, () => {
        this.#sendExtensionHandshake(peer);
      });
    }
  }

  /** Whether nothing is on its way between us. */
  isIdle(peer: Peer): boolean {
    const owedBytes = this.#download?.owedBytes(peer) ?? 0;
    return owedBytes === 0 && this.#components.now() - peer.lastServedMs > idleMs;
  }

  bind(peer: Peer): void {
    this.#components.data.bind(peer);
  }

  onWebTally(): void {
    this.#changedSoon();
  }

  onWebClosed(peer: Peer): void {
    this.#tally.left(peer);
    this.#download?.removePeer(peer);
    this.onChange?.();
  }

  async #openIncoming(metainfo: Metainfo): Promise<void> {
    this.#set('checking');
    const signal = this.#closing.signal;
    const components = this.#components;
    let incoming: IncomingImage;
    try {
      incoming = await IncomingImage.open(components, metainfo, { signal });
      this.#incoming = incoming;
      this.#reusedBytes += await incoming.reuse({ signal });
    } catch (error) {
      if (!isStorageFault(error)) throw error;
      this.#pauseUntilStorage(error, () => this.#openIncoming(metainfo));
      return;
    }
    if (signal.aborted) return;
    this.#have = incoming.have;
    this.#content = contentOf(metainfo, incoming.tree);
    components.data.open(metainfo, incoming.tree, incoming.have);
    this.#set('fetching');
    const knownBefore = [...incoming.have];
    this.#download = this.#makeDownload(incoming);
    this.#download.slots = this.#slots;
    for (const peer of this.#peers) {
      this.#guard(peer, () => {
        this.#bind(peer);
        if (!peer.isV1Only) for (const piece of knownBefore) peer.send({ type: 'have', piece });
        this.#download?.addPeer(peer);
      });
    }
    if (incoming.have.isFull) this.#run(() => this.#finish());
    else {
      this.#download.fillAll();
      components.webSeeds?.tick();
    }
  }

  #makeDownload(incoming: IncomingImage): Download {
    const { budget, random, now, data } = this.#components;
    return new Download(
      { incoming, budget, random, now },
      {
        onPiece: (piece) => {
          data.setHeld(piece, true);
          this.#news.add(piece);
          this.#changedSoon();
        },
        onLiar: (peerId, error) => {
          this.#ban(peerId, error);
        },
        onPaused: (error) => {
          this.#set('paused', error.message);
        },
        onResumed: () => {
          this.#set('fetching');
        },
        onRetry: () => {
          data.retryWrites();
        },
        onComplete: () => {
          this.#run(() => this.#finish());
        },
      },
    );
  }

  async #finish(): Promise<void> {
    const incoming = this.#incoming;
    if (incoming === undefined || this.#closing.signal.aborted) return;
    if (this.#state === 'completing' || this.isWhole) return;
    this.#set('completing');
    const { store } = this.#components;
    if (this.#content !== undefined) {
      const { name } = incoming.metainfo.info;
      this.#content.reader.movesTo = join(store.directory, this.imageId, name);
      this.#components.data.moveTo(this.#content.reader.movesTo, false);
    }
    try {
      const stored = await incoming.complete({ signal: this.#closing.signal });
      if (this.#content !== undefined) this.#content.reader.tree = stored.tree;
      this.#components.data.moveTo(stored.tree, true);
      this.#set('seeding');
      this.#complete(stored);
    } catch (error) {
      if (!isStorageFault(error)) throw error;
      // What could not be synced is not here any more.
      this.#components.data.setAllHeld(incoming.have);
      this.#pauseUntilStorage(error, () => this.#finishAgain(incoming));
    }
  }

  /**
   * After a failed sync some files were forgotten: then they are fetched first, though not before
   * the disk has shown that it can hold them. Else they would be fetched again and again.
   */
  async #finishAgain(incoming: IncomingImage): Promise<void> {
    if (incoming.have.isFull) return this.#finish();
    try {
      await incoming.assertRoom({ signal: this.#closing.signal });
    } catch (error) {
      if (!isStorageFault(error)) throw error;
      this.#pauseUntilStorage(error, () => this.#finishAgain(incoming));
      return;
    }
    this.#download?.close();
    // Files that were given up are not written to any more.
    this.#components.data.moveTo(incoming.tree, true);
    await incoming[Symbol.asyncDispose]();
    await this.#openIncoming(incoming.metainfo);
  }

  #pauseUntilStorage(error: Error, again: () => Promise<void>): void {
    this.#set('paused', error.message);
    this.#retryAtMs = this.#components.now() + retryStorageMs;
    this.#retry = again;
  }

  #retry: (() => Promise<void>) | undefined;

  #serve(stored: StoredImage): void {
    const { info } = stored.metainfo;
    this.#info = info;
    this.#have = Bitfield.full(info.pieceCount);
    this.#injection = new SeedInjection(
      {
        ...this.#components,
        tell: (peer) => {
          this.#sendExtensionHandshake(peer);
        },
        onOut: () => {
          this.#isOut = true;
          this.onChange?.();
        },
      },
      info,
    );
    this.#content = contentOf(stored.metainfo, stored.tree);
    this.#components.data.open(stored.metainfo, stored.tree, this.#have);
    this.#state = 'seeding';
    this.#complete(stored);
  }

  /** Takes in a connection whose handshakes are done. */
  addPeer(peer: Peer): void {
    peer.listener = this;
    // A peer of a v2-only swarm need not say that it speaks v2.
    const hash = peer.handshake?.infoHash;
    peer.isV1Only = this.v1 !== undefined && hash?.equals(this.v1.infoHash) === true;
    peer.speaksV2 =
      !peer.isV1Only &&
      (peer.handshake?.v2 === true || hash?.equals(this.infoHash.subarray(0, 20)) === true);
    this.#peers.add(peer);
    this.#trouble = undefined;
    this.#guard(peer, () => {
      if (peer.handshake?.extensionProtocol === true) this.#sendExtensionHandshake(peer);
      this.#sendPieces(peer);
      // Inside a fleet there is no choking: hosts have one owner.
      peer.send({ type: 'unchoke' });
      if (this.#content !== undefined) {
        this.#bind(peer);
        this.#download?.addPeer(peer);
      }
      this.#layers?.ask(peer);
    });
  }

  #bind(peer: Peer): void {
    const { data } = this.#components;
    if (peer.isV1Only && this.v1 !== undefined) data.bindV1(peer, this.v1.pieceSizeBytes);
    else data.bind(peer);
  }

  #sendPieces(peer: Peer): void {
    const fast = peer.handshake?.fastExtension === true;
    const have = peer.isV1Only ? undefined : this.#have;
    if (have === undefined || have.count === 0) {
      if (fast) peer.send({ type: 'haveNone' });
    } else if (have.isFull && fast) {
      peer.send({ type: 'haveAll' });
    } else {
      peer.send({ type: 'bitfield', bits: have.toBytes() });
    }
  }

  #sendExtensionHandshake(peer: Peer): void {
    if (peer.handshake?.extensionProtocol !== true) return;
    const payload = encodeExtensionHandshake({
      // Of a v1-only torrent the dictionary is another.
      metadataBytes: peer.isV1Only ? undefined : this.#info?.encoded.length,
      requestQueue: requestQueueLimit,
      injects: this.#injection?.active === true,
      place: this.#components.place,
      slots: this.#slots ?? [undefined, undefined],
      maxRequestBytes: maxBlockBytes,
      listenPort: this.#components.listenPort(),
      client: clientName,
    });
    peer.send({ type: 'extended', id: extensionHandshakeId, payload });
  }

  onMessage(peer: Peer, message: Message): void {
    this.#guard(peer, () => {
      this.#handle(peer, message);
    });
  }

  /** What a peer does wrong ends its connection, and what it lies about bans it. */
  #guard(peer: Peer, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof PeerError) {
        if (error.code !== 'PEER_PROTOCOL') this.#banned.add(peer.id);
        peer.close(error);
      } else {
        // Not the peer's fault: our own, or that of an image which says what it was asked for.
        this.#run(() => {
          throw error;
        });
      }
    }
  }

  #handle(peer: Peer, message: Message): void {
    switch (message.type) {
      case 'choke':
        peer.chokedByThem = true;
        return;
      case 'unchoke':
        peer.chokedByThem = false;
        this.#download?.fill(peer);
        return;
      case 'have':
      case 'bitfield':
      case 'haveAll':
      case 'haveNone':
        this.#onPieces(peer, message);
        this.#layers?.onPieces(peer);
        return;
      case 'extended':
        this.#onExtended(peer, message.id, message.payload);
        return;
      case 'suggestPiece':
        peer.onSuggested(message.piece);
        this.#download?.fill(peer);
        return;
      case 'hashRequest':
        this.#answers.hashes(peer, message.range);
        return;
      case 'hashes':
        this.#layers?.onHashes(peer, message.range, message.hashes);
        return;
      case 'hashReject':
        this.#layers?.onReject(peer, message.range);
        return;
      case 'keepAlive':
      case 'interested':
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
    const download = peer.pieces === undefined ? undefined : this.#download;
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

  onUntrue(peer: Peer, piece: number): void {
    this.#download?.onUntrue(peer, piece);
  }

  onReturned(peer: Peer, pieces: readonly number[], why: 'rejected' | 'choked'): void {
    this.#download?.onReturned(peer, pieces, why);
  }

  onTally(peer: Peer): void {
    this.#download?.fill(peer);
    this.#changedSoon();
  }

  /** A data plane has verified pieces and written them. */
  onVerified(pieces: readonly number[], link: number): void {
    this.#download?.onVerified(pieces, link);
  }

  /** A data plane could not write a piece that it has verified. */
  onUnwritten(event: Extract<DataEvent, { type: 'unwritten' }>): void {
    const { piece, path, failure } = event;
    const cause = Object.assign(new Error(failure.message), { code: failure.code });
    this.#download?.onUnwritten(piece, storageFailure('writing', path, cause));
  }

  /** Ends the swarm: something went wrong that is not an image's or a peer's fault. */
  fail(error: Error): void {
    this.#run(() => {
      throw error;
    });
  }

  #onExtended(peer: Peer, id: number, payload: Uint8Array): void {
    if (id === extensionHandshakeId) {
      this.#onExtensionHandshake(peer, parseExtensionHandshake(payload));
      this.#injection?.consider(peer);
      this.#metadata?.ask(peer);
      this.#download?.fill(peer);
    } else if (id === metadataExtensionId && !peer.isV1Only) {
      const message = parseMetadataMessage(payload);
      if (message?.type === 'request') this.#answers.metadata(peer, message.piece);
      else if (message !== undefined) this.#metadata?.onMessage(peer, message);
    }
  }

  #onExtensionHandshake(peer: Peer, extension: ExtensionHandshake): void {
    const { place } = extension;
    const level = place === undefined ? 0 : levelBetween(this.#components.place, place);
    const change = () => {
      peer.level = level;
      peer.setExtension(extension);
    };
    if (level === peer.level || this.#download === undefined) change();
    else this.#download.changePeer(peer, change);
  }

  onClose(peer: Peer, error?: Error): void {
    this.#peers.delete(peer);
    this.#trouble = error?.message ?? `${peer.address} closed the connection`;
    this.#tally.left(peer);
    this.#metadata?.forget(peer);
    this.#layers?.forget(peer);
    this.#download?.removePeer(peer);
    this.#injection?.remove(peer);
    for (const other of this.#peers) {
      this.#guard(other, () => {
        this.#metadata?.ask(other);
        this.#layers?.ask(other);
      });
    }
    this.onChange?.();
  }

  onSettled(peer: Peer, sentBytes: number, receivedBytes: number): void {
    this.#tally.settled(peer, sentBytes, receivedBytes);
  }

  #ban(peerId: string, error: PeerError): void {
    if (this.#components.webSeeds?.ban(peerId, error) === true) return;
    this.#banned.add(peerId);
    for (const peer of this.#peers) if (peer.id === peerId) peer.close(error);
  }

  /** Called about once a second. */
  tick(): void {
    const now = this.#components.now();
    for (const peer of this.#peers) tendPeer(peer, now);
    this.#metadata?.tick();
    for (const peer of this.#peers) this.#guard(peer, () => this.#metadata?.ask(peer));
    this.#layers?.tick();
    this.#injection?.tick();
    if (this.#state === 'fetching' || this.#download?.paused === true) this.#download?.tick();
    this.#components.webSeeds?.tick();
    const retry = this.#retry;
    if (retry !== undefined && now >= this.#retryAtMs) {
      this.#retry = undefined;
      this.#run(retry);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    clearTimeout(this.#changeTimer);
    this.#news[Symbol.dispose]();
    this.#set('closed');
    this.#fail(new PeerError('PEER_CLOSED', `the swarm of ${this.imageId} was closed`));
    for (const peer of this.#peers) peer.close();
    this.#components.webSeeds?.close();
    this.#download?.close();
    // What was begun on the disk ends before its files are closed.
    await this.#components.data.close();
    while (this.#running.size > 0) await Promise.all(this.#running);
    await this.#content?.reader[Symbol.asyncDispose]();
    await this.#incoming?.[Symbol.asyncDispose]();
  }
}

interface Content {
  readonly metainfo: Metainfo;
  readonly pieces: PieceMap;
  readonly reader: ImageReader;
}

const contentOf = (metainfo: Metainfo, tree: string): Content => ({
  metainfo,
  pieces: new PieceMap(metainfo.info),
  reader: new ImageReader({ info: metainfo.info, tree }),
});

const needsPeers: ReadonlySet<SwarmState> = new Set(['metadata', 'layers', 'fetching']);

/** A disk that is full or fails may come back; a damaged image will not. */
const isStorageFault = (error: unknown): error is StarlingError =>
  isStarlingError(error) && error.code.startsWith('STORAGE_');
