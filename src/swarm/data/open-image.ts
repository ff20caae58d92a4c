import { join } from 'node:path';
import { ImageLayout, type ImageLayoutData } from './image-layout.ts';
import { SharedRate } from './shared-rate.ts';
import { V1Row } from './v1-row.ts';

/** How much an image counts against the others of its host: 1 is the most. */
export type Share = number;

/** An image that a data thread serves, or puts together. */
export class OpenImage {
  readonly key: number;
  readonly layout: ImageLayout;
  /** Where its tree lies. */
  tree: string;
  /** Where the tree may be moved to, at a moment that nobody is told. */
  movesTo: string | undefined;
  share: Share = 1;
  readonly uploadRate: SharedRate;
  readonly downloadRate: SharedRate;
  #v1Row: V1Row | undefined;

  constructor(init: {
    readonly key: number;
    readonly layout: ImageLayoutData;
    readonly tree: string;
    readonly uploadRate: SharedArrayBuffer;
    readonly downloadRate: SharedArrayBuffer;
  }) {
    this.key = init.key;
    this.layout = new ImageLayout(init.layout);
    this.tree = init.tree;
    this.uploadRate = new SharedRate(init.uploadRate);
    this.downloadRate = new SharedRate(init.downloadRate);
  }

  /** The image as a v1-only torrent with pieces of this size has it. */
  v1Row(pieceSizeBytes: number): V1Row {
    if (this.#v1Row?.pieceSizeBytes !== pieceSizeBytes) {
      this.#v1Row = new V1Row(this.layout.data, pieceSizeBytes);
    }
    return this.#v1Row;
  }

  pathOf(file: number): string {
    return join(this.tree, this.layout.pathOf(file));
  }

  /** Where the file is if the tree was moved meanwhile. */
  movedPathOf(file: number): string | undefined {
    return this.movesTo === undefined ? undefined : join(this.movesTo, this.layout.pathOf(file));
  }
}
