import type { Random } from './random.ts';

/**
 * Which piece a seed hands to whom until every piece is out. A neighbour is told of no other piece of
 * the seed before.
 */
export interface Injection {
  /** The piece to offer to this neighbour. -1: all are out. */
  next(neighbour: number): number;
  /** The neighbour that was to have it is gone. */
  giveBack(piece: number): void;
}

/** Each piece once, in a random order, to whoever comes. */
export class OnceEach implements Injection {
  readonly #pieces: number[];

  /** @param part which of `parts` seeds this is: each begins with its own part of the pieces */
  constructor({ random }: { readonly random: Random }, init: OnceEachInit) {
    this.#pieces = [];
    for (let piece = init.part; piece < init.pieces; piece += init.parts) this.#pieces.push(piece);
    random.shuffle(this.#pieces);
  }

  next(): number {
    return this.#pieces.pop() ?? -1;
  }

  giveBack(piece: number): void {
    this.#pieces.push(piece);
  }
}

export interface OnceEachInit {
  readonly pieces: number;
  readonly part: number;
  readonly parts: number;
}
