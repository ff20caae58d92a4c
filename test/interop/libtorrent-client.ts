import { onTestFinished } from 'vitest';
import * as z from 'zod';
import type { StoredImage } from '../../src/image/index.ts';
import { imageFolder, torrentPath } from './image-files.ts';
import type { JsonProcess } from './json-process.ts';
import { startPython } from './libtorrent.ts';

export interface LibtorrentInit {
  /** What it fetches or seeds: a .torrent file, or a magnet link. */
  readonly source: { readonly torrent: string } | { readonly magnet: string };
  /** What lies here already is looked through first; the tree is in it, under its own name. */
  readonly savePath: string;
  readonly trackers?: readonly string[];
  readonly uploadBytesPerSecond?: number;
}

const listening = z.object({ event: z.literal('listening'), port: z.int().min(1) });
const whole = z.object({ event: z.literal('whole') });
const metadata = z.object({
  event: z.literal('metadata'),
  infoHash: z.string(),
  v1InfoHash: z.string().nullable(),
});

/** A libtorrent session with one torrent, in a process of its own that ends with the test. */
export class LibtorrentClient {
  readonly #process: JsonProcess;
  readonly port: number;

  private constructor(process: JsonProcess, port: number) {
    this.#process = process;
    this.port = port;
  }

  static async start(init: LibtorrentInit): Promise<LibtorrentClient> {
    const { source, savePath, trackers = [], uploadBytesPerSecond: uploadLimit } = init;
    const process = startPython('torrent_client.py');
    onTestFinished(() => process[Symbol.asyncDispose]());
    process.tell({ ...source, savePath, trackers, uploadLimit });
    const { port } = await process.take(listening, 'at which port it listens');
    return new LibtorrentClient(process, port);
  }

  /** Seeds an image of a store; returns when libtorrent has found the image to be whole. */
  static async seed(
    image: StoredImage,
    init: Partial<LibtorrentInit> = {},
  ): Promise<LibtorrentClient> {
    const source = { torrent: torrentPath(image) };
    const savePath = imageFolder(image);
    const client = await LibtorrentClient.start({ source, savePath, ...init });
    await client.whole();
    return client;
  }

  /** Connects to a peer of this machine. */
  connect(port: number): void {
    this.#process.tell({ connect: ['127.0.0.1', port] });
  }

  /** The hashes of the info dictionary that it got from peers. */
  async metadata(): Promise<{ infoHash: string; v1InfoHash: string | null }> {
    const { infoHash, v1InfoHash } = await this.#process.take(metadata, 'that it has metadata');
    return { infoHash, v1InfoHash };
  }

  /** Returns when it has all of the image, verified and written. */
  async whole(): Promise<void> {
    await this.#process.take(whole, 'that it has the whole image');
  }

  /** Ends it, without a word to its peers. */
  async kill(): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
