import { afterAll, beforeAll } from 'vitest';
import * as z from 'zod';
import type { JsonProcess } from './json-process.ts';
import { startPython } from './libtorrent.ts';

const failure = z.object({ error: z.string() }).transform(({ error }) => {
  throw new Error(`libtorrent refuses it: ${error}`);
});
const hex = z.string().regex(/^[0-9a-f]*$/);
const hashes = z.strictObject({ infoHash: hex.nullable(), v1InfoHash: hex.nullable() });
const description = hashes.extend({
  /** The bencoded info dictionary, a character for each byte. */
  info: z.string(),
  /** By the root of the file. */
  pieceLayers: z.record(hex, hex),
});

export type Hashes = z.output<typeof hashes>;
export type TreeDescription = z.output<typeof description>;

/** Asks libtorrent what it makes of trees and .torrent files; one process for all tests of a file. */
export class LibtorrentDescriber {
  #process: JsonProcess | undefined;

  constructor() {
    beforeAll(() => {
      this.#process = startPython('describe_tree.py');
    });
    afterAll(() => this.#process?.[Symbol.asyncDispose]());
  }

  /** What libtorrent makes of a directory. */
  tree(request: {
    directory: string;
    pieceSizeBytes: number;
    hybrid: boolean;
  }): Promise<TreeDescription> {
    return this.#ask(request, description);
  }

  /** What libtorrent reads in a .torrent. */
  torrent(path: string): Promise<Hashes> {
    return this.#ask({ torrent: path }, hashes);
  }

  async #ask<T>(request: object, answer: z.ZodType<T>): Promise<T> {
    if (this.#process === undefined) throw new Error('ask in a test, not before');
    this.#process.tell(request);
    return this.#process.take(z.union([answer, failure]), 'what it makes of it');
  }
}
