import { Agent } from 'node:http';
import { Agent as SealedAgent } from 'node:https';
import type { ConnectionComponents } from './connection.ts';
import type { DataLink } from './data-link.ts';
import type { DataEvent, PeerAbilities, Tally } from './data-protocol.ts';
import { failureOf } from './failure.ts';
import { FetchWindow } from './fetch-window.ts';
import type { OpenImage } from './open-image.ts';
import { PieceTask } from './piece-task.ts';
import { nextBatch, WebBatch } from './web-batch.ts';
import { WebRequest } from './web-request.ts';

export type WebConnectionComponents = Omit<
  ConnectionComponents,
  'source' | 'uploadRate' | 'onClose'
> & { readonly onClose: (connection: DataLink) => void };

/** Requests that are under way at a time, each on a kept connection of its own. */
const parallel = 4;
/** Pieces are hashed in parts of this size as they come. */
const partBytes = 128 << 10;
/** Answers that would bring more than this of what is not wanted are cut off. */
const cutOffBytes = 256 << 10;
const leastWindowBytes = 1 << 20;
const silenceMs = 15_000;

/**
 * A web seed (BEP 19, GetRight style): a server that holds the files of an image, and is asked for
 * pieces by HTTP range requests. What fails ends it, with all that it owes given back; whether and
 * when it is tried again is not decided here.
 */
export class WebConnection implements DataLink {
  readonly link: number;
  lastBatch = 0;
  readonly #url: string;
  readonly #components: WebConnectionComponents;
  readonly #agent: Agent;
  readonly #window = new FetchWindow();
  readonly #tasks = new Map<number, PieceTask>();
  readonly #requests = new Map<WebRequest, WebBatch>();
  #waiting: PieceTask[] = [];
  #image: OpenImage | undefined;
  #receivedBytes = 0;
  #spentBytes = 0;
  #told = -1;
  #pauseTimer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param init.url where the tree of the image lies; ends with a slash */
  constructor(components: WebConnectionComponents, init: { link: number; url: string }) {
    this.link = init.link;
    this.#url = init.url;
    this.#components = components;
    const options = { keepAlive: true, maxSockets: parallel, scheduling: 'lifo' } as const;
    this.#agent = init.url.startsWith('https:') ? new SealedAgent(options) : new Agent(options);
  }

  #report(event: DataEvent): void {
    this.#components.report(event);
  }

  bind(image: OpenImage): void {
    this.#image = image;
  }

  isOf(image: OpenImage): boolean {
    return this.#image === image;
  }

  want(pieces: readonly number[]): void {
    const image = this.#image;
    if (image === undefined || this.#closed) return;
    const components = { layout: image.layout, pool: this.#components.pool };
    for (const piece of pieces) {
      if (this.#tasks.has(piece)) continue;
      const task = new PieceTask(components, { piece, requestBytes: partBytes });
      this.#tasks.set(piece, task);
      this.#waiting.push(task);
    }
    this.#fill(image);
  }

  unwant(pieces: readonly number[]): void {
    for (const piece of pieces) {
      const task = this.#tasks.get(piece);
      if (task === undefined) continue;
      this.#tasks.delete(piece);
      task.cancelled = true;
      task.discard();
    }
    for (const [request, batch] of this.#requests) {
      if (request.leftBytes <= cutOffBytes || !batch.isCancelled) continue;
      request.close();
      this.#requests.delete(request);
    }
    if (this.#image !== undefined) this.#fill(this.#image);
  }

  #fill(image: OpenImage): void {
    while (!this.#closed && this.#requests.size < parallel) {
      const tasks = nextBatch(this.#waiting);
      if (tasks.length === 0) break;
      this.#ask(image, tasks);
    }
    if (this.#requests.size === 0) this.#window.idle(this.#components.now());
  }

  #ask(image: OpenImage, tasks: readonly PieceTask[]): void {
    const { now } = this.#components;
    const batch = new WebBatch(tasks, (task) => {
      this.#accept(image, task);
    });
    const { file, offsetBytes, lengthBytes } = batch;
    const url = new URL(urlPath(image.layout.pathOf(file)), this.#url);
    const fileBytes = image.layout.fileSizeBytes(file);
    this.#spentBytes += lengthBytes;
    let marked = this.#window.asked(now());
    const request: WebRequest = new WebRequest(
      { agent: this.#agent, now },
      { url, offsetBytes, lengthBytes, fileBytes },
      {
        onBytes: (chunk) => {
          if (marked) this.#window.answered(now());
          marked = false;
          this.#take(image, batch, chunk);
        },
        onDone: () => {
          this.#requests.delete(request);
          this.#fill(image);
        },
        onFailed: (error, sent) => {
          this.#requests.delete(request);
          if (!sent) this.#spentBytes -= lengthBytes;
          this.close(error);
        },
      },
    );
    if (this.#pauseTimer !== undefined) request.pause();
    this.#requests.set(request, batch);
  }

  #take(image: OpenImage, batch: WebBatch, chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    this.#window.received(chunk.length, this.#components.now());
    batch.put(chunk);
    const own = image.downloadRate.take(chunk.length);
    const waitMs = Math.max(own, this.#components.downloadRate.take(chunk.length, image.share));
    if (waitMs > 0 && !this.#closed) this.#pause(waitMs);
  }

  /** Beyond its limit nothing is read, so that the server can't send either. */
  #pause(ms: number): void {
    for (const request of this.#requests.keys()) request.pause();
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = setTimeout(() => {
      this.#resume();
    }, ms);
  }

  #resume(): void {
    this.#pauseTimer = undefined;
    for (const request of this.#requests.keys()) request.resume();
  }

  onLimitsChanged(): void {
    if (this.#pauseTimer === undefined) return;
    clearTimeout(this.#pauseTimer);
    this.#resume();
  }

  #accept(image: OpenImage, task: PieceTask): void {
    const { link } = this;
    const { piece } = task;
    this.#tasks.delete(piece);
    const isTrue = this.#components.sink.accept(image, task, () => {
      this.#report({
        type: 'verified',
        link,
        image: image.key,
        pieces: [piece],
        tally: this.tally,
      });
    });
    if (isTrue) return;
    this.#report({ type: 'tally', link, tally: this.tally });
    this.#report({ type: 'untrue', link, piece });
  }

  get tally(): Tally {
    return {
      receivedBytes: this.#receivedBytes,
      sentBytes: 0,
      windowBytes: Math.max(leastWindowBytes, this.#window.bytes),
      rateBytesPerSecond: this.#window.rateBytesPerSecond,
      spentBytes: this.#spentBytes,
    };
  }

  tellTally(): void {
    if (this.#pauseTimer === undefined) this.#endSilent();
    const told = this.#receivedBytes + this.#spentBytes;
    if (told === this.#told || this.#closed) return;
    this.#told = told;
    this.#report({ type: 'tally', link: this.link, tally: this.tally });
  }

  #endSilent(): void {
    const since = this.#components.now() - silenceMs;
    for (const request of [...this.#requests.keys()]) {
      if (request.lastProgressMs < since) request.timeOut();
    }
  }

  /** A server of files says nothing that would have to be heard. */
  heard(): void {
    return;
  }

  setAbilities(_abilities: PeerAbilities): void {
    return;
  }

  /** There is nothing that a web seed would listen to. */
  send(_bytes: Uint8Array): void {
    return;
  }

  close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pauseTimer);
    for (const request of this.#requests.keys()) request.close();
    this.#agent.destroy();
    const { link } = this;
    const pieces = [...this.#tasks.keys()];
    for (const task of this.#tasks.values()) {
      task.cancelled = true;
      task.discard();
    }
    this.#tasks.clear();
    this.#waiting = [];
    if (pieces.length > 0) {
      this.#report({ type: 'tally', link, tally: this.tally });
      this.#report({ type: 'returned', link, pieces, why: 'rejected' });
    }
    const failure = error === undefined ? undefined : failureOf(error);
    this.#report({ type: 'closed', link, tally: this.tally, failure });
    this.#components.onClose(this);
  }
}

/** The path of a file below its tree, as a URL has it (RFC 3986). */
const urlPath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');
