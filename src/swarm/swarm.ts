import { PeerError } from '../errors.ts';
import type { ImageInfo, Metainfo, StoredImage } from '../image/index.ts';
import { Bitfield, type GatewaySlots, type Place } from '../policy/index.ts';
import { Answers } from './answers.ts';
import type { DataEvent } from './data/data-protocol.ts';
import type { Download } from './download.ts';
import { Greeting, type Offer } from './greeting.ts';
import { contentOf, type ImageContent } from './image-content.ts';
import { ImageFetch } from './image-fetch.ts';
import { IncomingImage, type IncomingComponents } from './incoming-image.ts';
import type { Message } from './message.ts';
import { MetainfoFetch } from './metainfo-fetch.ts';
import type { Peer, PeerListener } from './peer.ts';
import { PeerMessages } from './peer-messages.ts';
import type { PieceBudget } from './piece-budget.ts';
import { SeedInjection } from './seed-injection.ts';
import type { SwarmData } from './swarm-data.ts';
import { SwarmLife } from './swarm-life.ts';
import { SwarmPeers } from './swarm-peers.ts';
import { SwarmReport } from './swarm-report.ts';
import type { SwarmState, SwarmStatus } from './swarm-status.ts';
import type { WebSeededSwarm, WebSeeds } from './web-seeds.ts';
import { WireHashes, type WireHashesInit } from './wire-hashes.ts';

export interface SwarmComponents extends IncomingComponents {
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

export interface SwarmInit extends WireHashesInit {
  /** The size of the info dictionary, where it was signed. */
  readonly infoBytes?: number | undefined;
  /** An image that is whole: the swarm only seeds. */
  readonly stored?: StoredImage | undefined;
  /** An image whose metainfo is known: it is asked of nobody. */
  readonly metainfo?: Metainfo | undefined;
}

/** Its counters come about once a second. */
const idleMs = 2_500;

/** All peers of one image, and what is done with them: fetch until it is whole, and serve. */
export class Swarm implements PeerListener, WebSeededSwarm, AsyncDisposable {
  readonly imageId: string;
  readonly hashes: WireHashes;
  readonly #components: SwarmComponents;
  readonly #life: SwarmLife;
  readonly #peers: SwarmPeers;
  readonly #report: SwarmReport;
  readonly #greeting: Greeting;
  readonly #metainfo: MetainfoFetch;
  readonly #fetch: ImageFetch;
  readonly #messages: PeerMessages;
  /** Of a host that has the image from the start. */
  readonly #stored: ImageContent | undefined;
  readonly #injection: SeedInjection | undefined;
  #info: ImageInfo | undefined;

  constructor(components: SwarmComponents, init: SwarmInit) {
    const { stored } = init;
    this.#components = components;
    this.imageId = init.imageId;
    this.#info = (stored?.metainfo ?? init.metainfo)?.info;
    this.hashes = new WireHashes({ info: () => this.#info }, init);
    this.#life = new SwarmLife({
      onFailed: () => {
        this.#metainfo.stop();
      },
    });
    this.#peers = new SwarmPeers({
      onFault: (error) => {
        this.#life.fail(error);
      },
    });
    const { listenPort } = components;
    this.#greeting = new Greeting(
      { listenPort, offerTo: (peer) => this.#offerTo(peer) },
      components,
    );
    this.#metainfo = this.#makeMetainfoFetch(init);
    this.#fetch = this.#makeImageFetch();
    if (stored !== undefined) {
      this.#stored = this.#open(stored);
      this.#injection = this.#makeInjection(stored.metainfo.info);
    }
    const answers = new Answers({ source: () => ({ info: this.#info, content: this.#content }) });
    this.#messages = new PeerMessages(
      {
        answers,
        greeting: this.#greeting,
        metainfo: this.#metainfo,
        fetch: this.#fetch,
        injection: this.#injection,
      },
      components,
    );
    this.#report = this.#makeReport();
    components.webSeeds?.attach(this);
    if (stored !== undefined) this.#life.complete(stored);
    else this.#life.run(() => this.#begin(init.metainfo));
  }

  #makeMetainfoFetch({ infoBytes }: SwarmInit): MetainfoFetch {
    return new MetainfoFetch(
      { now: this.#components.now, peers: this.#peers },
      {
        infoHash: this.hashes.infoHash,
        infoBytes,
        onInfo: (info) => {
          this.#info = info;
          this.#life.set('layers');
          for (const peer of this.#peers.all) this.#greeting.introduce(peer);
        },
        onDone: (metainfo) => {
          this.#life.run(() => this.#fetch.open(metainfo));
        },
      },
    );
  }

  #makeImageFetch(): ImageFetch {
    const { store, durability, random, now, data, budget } = this.#components;
    return new ImageFetch(
      {
        ...{ store, durability, random, now, data, budget },
        life: this.#life,
        peers: this.#peers,
        bind: (peer) => {
          this.#bind(peer);
        },
      },
      {
        onFetching: () => this.#components.webSeeds?.tick(),
        onLiar: (peerId, error) => {
          if (this.#components.webSeeds?.ban(peerId, error) === true) return;
          this.#peers.ban(peerId, error);
        },
      },
    );
  }

  /** Makes an image that is whole known to the data planes. */
  #open({ metainfo, tree }: StoredImage): ImageContent {
    const content = contentOf(metainfo, tree, Bitfield.full(metainfo.info.pieceCount));
    this.#components.data.open(metainfo, tree, content.have);
    return content;
  }

  #makeInjection(info: ImageInfo): SeedInjection {
    const { random, now } = this.#components;
    return new SeedInjection(
      {
        ...{ random, now },
        tell: (peer) => {
          this.#greeting.introduce(peer);
        },
        onOut: () => this.#life.onChange?.(),
      },
      info,
    );
  }

  #makeReport(): SwarmReport {
    const { whyAlone, webSeeds } = this.#components;
    return new SwarmReport(
      {
        life: this.#life,
        peers: this.#peers,
        fetch: this.#fetch,
        injection: this.#injection,
        webSeeds,
        image: () => ({ info: this.#info, have: this.#content?.have }),
        whyAlone,
      },
      this,
    );
  }

  /** Settles when the image is whole and in the store. */
  get completed(): Promise<StoredImage> {
    return this.#life.completed;
  }

  /** Called when its status has changed. */
  set onChange(listener: () => void) {
    this.#life.onChange = listener;
  }

  get state(): SwarmState {
    return this.#life.state;
  }

  get isWhole(): boolean {
    return this.#life.state === 'seeding';
  }

  get peers(): ReadonlySet<Peer> {
    return this.#peers.all;
  }

  get phase(): WebSeededSwarm['phase'] {
    return this.#life.phase;
  }

  get info(): ImageInfo | undefined {
    return this.#info;
  }

  get #content(): ImageContent | undefined {
    return this.#stored ?? this.#fetch.content;
  }

  get download(): Download | undefined {
    return this.#fetch.download;
  }

  get receivedBytes(): number {
    return this.#report.tally.receivedBytes;
  }

  /** How many bytes are still to be fetched; for announces. */
  get leftBytes(): number {
    return this.#report.leftBytes;
  }

  status(): SwarmStatus {
    return this.#report.status();
  }

  /** A connection did not come about. */
  onUnreached(why: string): void {
    this.#peers.trouble = why;
    if (this.#report.whyNoPeers() !== undefined) this.#life.onChange?.();
  }

  async #begin(given: Metainfo | undefined): Promise<void> {
    const { store } = this.#components;
    await store.open();
    const metainfo = given ?? (await IncomingImage.findMetainfo(store, this.imageId));
    if (this.#life.signal.aborted) return;
    // A web seed may have told of it meanwhile.
    if (given === undefined && this.#info !== undefined) return;
    if (metainfo === undefined) {
      this.#metainfo.start();
      return;
    }
    this.#info = metainfo.info;
    await this.#fetch.open(metainfo);
  }

  /** Metadata came from elsewhere, and is verified. */
  takeMetainfo(metainfo: Metainfo): void {
    if (this.phase !== 'metadata' || this.#life.signal.aborted) return;
    this.#metainfo.stop();
    this.#info = metainfo.info;
    // Said before the step begins, which is later: what peers send meanwhile is not needed any more.
    this.#life.set('checking');
    this.#introduceToAll();
    this.#life.run(() => this.#fetch.open(metainfo));
  }

  /** The tracker says what this host stands for; its peers share out by it what they ask for. */
  setSlots(slots: GatewaySlots): void {
    const before = this.#greeting.slots;
    if (before?.[0] === slots[0] && before?.[1] === slots[1]) return;
    this.#greeting.slots = slots;
    this.#fetch.slots = slots;
    this.#introduceToAll();
  }

  /** Takes in a connection whose handshakes are done. */
  addPeer(peer: Peer): void {
    const { handshake } = peer;
    peer.listener = this;
    peer.isV1Only = handshake !== undefined && this.hashes.isV1Only(handshake);
    peer.speaksV2 = handshake !== undefined && this.hashes.speaksV2(handshake);
    this.#peers.add(peer);
    this.#peers.guard(peer, () => {
      this.#greeting.greet(peer);
      if (this.#content !== undefined) {
        this.#bind(peer);
        this.#fetch.download?.addPeer(peer);
      }
      this.#metainfo.ask(peer);
    });
  }

  #bind(peer: Peer): void {
    const { data } = this.#components;
    const { v1 } = this.hashes;
    if (peer.isV1Only && v1 !== undefined) data.bindV1(peer, v1.pieceSizeBytes);
    else data.bind(peer);
  }

  /** A v1-only torrent has other pieces, and another dictionary. */
  #offerTo(peer: Peer): Offer {
    const known = !peer.isV1Only;
    return {
      metadataBytes: known ? this.#info?.encoded.length : undefined,
      have: known ? this.#content?.have : undefined,
      injects: this.#injection?.active === true,
    };
  }

  #introduceToAll(): void {
    this.#peers.each((peer) => {
      this.#greeting.introduce(peer);
    });
  }

  onMessage(peer: Peer, message: Message): void {
    this.#peers.guard(peer, () => {
      this.#messages.handle(peer, message);
    });
  }

  onUntrue(peer: Peer, piece: number): void {
    this.#fetch.download?.onUntrue(peer, piece);
  }

  onReturned(peer: Peer, pieces: readonly number[], why: 'rejected' | 'choked'): void {
    this.#fetch.download?.onReturned(peer, pieces, why);
  }

  onTally(peer: Peer): void {
    this.#fetch.download?.fill(peer);
    this.#life.changedSoon();
  }

  onClose(peer: Peer, error?: Error): void {
    this.#peers.delete(peer, error);
    this.#report.tally.left(peer);
    this.#fetch.download?.removePeer(peer);
    this.#injection?.remove(peer);
    this.#metainfo.onGone(peer);
    this.#life.onChange?.();
  }

  onSettled(peer: Peer, sentBytes: number, receivedBytes: number): void {
    this.#report.tally.settled(peer, sentBytes, receivedBytes);
  }

  /** Whether nothing is on its way between us. */
  isIdle(peer: Peer): boolean {
    const owedBytes = this.#fetch.download?.owedBytes(peer) ?? 0;
    return owedBytes === 0 && this.#components.now() - peer.lastServedMs > idleMs;
  }

  /** Whether this peer lied to us before. */
  isBanned(peerId: string): boolean {
    return this.#peers.isBanned(peerId);
  }

  bind(peer: Peer): void {
    this.#components.data.bind(peer);
  }

  onWebTally(): void {
    this.#life.changedSoon();
  }

  onWebClosed(peer: Peer): void {
    this.#report.tally.left(peer);
    this.#fetch.download?.removePeer(peer);
    this.#life.onChange?.();
  }

  /** A data plane has verified pieces and written them. */
  onVerified(pieces: readonly number[], link: number): void {
    this.#fetch.download?.onVerified(pieces, link);
  }

  /** A data plane could not write a piece that it has verified. */
  onUnwritten(event: Extract<DataEvent, { type: 'unwritten' }>): void {
    this.#fetch.onUnwritten(event);
  }

  /** Ends the swarm: something went wrong that is not an image's or a peer's fault. */
  fail(error: Error): void {
    this.#life.fail(error);
  }

  /** Called about once a second. */
  tick(): void {
    this.#peers.tend(this.#components.now());
    this.#metainfo.tick();
    this.#injection?.tick();
    this.#fetch.tick();
    this.#components.webSeeds?.tick();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#life.signal.aborted) return;
    this.#life.close(new PeerError('PEER_CLOSED', `the swarm of ${this.imageId} was closed`));
    this.#peers.close();
    this.#components.webSeeds?.close();
    this.#fetch.stop();
    // What was begun on the disk ends before its files are closed.
    await this.#components.data.close();
    await this.#life.ended();
    this.#stored?.reader[Symbol.dispose]();
    await this.#fetch.close();
  }
}
