export interface RequestsInit {
  readonly edges: number;
  /** How many pieces may be asked of one neighbour at a time, at the most. */
  readonly outstanding: number;
}

/**
 * What was asked of whom, by edge of whoever asks: at the one end the pieces that are owed, at the
 * other those that wait there to be sent, in the order in which they came.
 */
export class Requests {
  readonly outstanding: number;
  readonly #owed: Int32Array;
  readonly #owedCounts: Uint8Array;
  readonly #waiting: Int32Array;
  readonly #waitingCounts: Uint8Array;
  readonly #sent: Uint8Array;

  constructor({ edges, outstanding }: RequestsInit) {
    this.outstanding = outstanding;
    this.#owed = new Int32Array(edges * outstanding);
    this.#owedCounts = new Uint8Array(edges);
    this.#waiting = new Int32Array(edges * outstanding);
    this.#waitingCounts = new Uint8Array(edges);
    this.#sent = new Uint8Array(edges);
  }

  owed(edge: number): number {
    return this.#owedCounts[edge]!;
  }

  owedPiece(edge: number, index: number): number {
    return this.#owed[edge * this.outstanding + index]!;
  }

  owes(edge: number, piece: number): boolean {
    return indexOf(this.#owed, edge * this.outstanding, this.#owedCounts[edge]!, piece) >= 0;
  }

  own(edge: number, piece: number): void {
    this.#owed[edge * this.outstanding + this.#owedCounts[edge]!++] = piece;
  }

  /** @returns whether it was owed */
  disown(edge: number, piece: number): boolean {
    return remove(this.#owed, this.#owedCounts, edge, this.outstanding, piece);
  }

  /** Whether a piece is being sent. */
  isSent(edge: number): boolean {
    return this.#sent[edge] === 1;
  }

  setSent(edge: number, sent: boolean): void {
    this.#sent[edge] = sent ? 1 : 0;
  }

  waiting(edge: number): number {
    return this.#waitingCounts[edge]!;
  }

  wait(edge: number, piece: number): void {
    const count = this.#waitingCounts[edge]!;
    // What was cancelled may still be on its way while more is asked for.
    if (count === this.outstanding) return;
    this.#waiting[edge * this.outstanding + count] = piece;
    this.#waitingCounts[edge] = count + 1;
  }

  /** The request that waits for the longest. */
  shift(edge: number): number {
    const piece = this.#waiting[edge * this.outstanding]!;
    this.unwait(edge, piece);
    return piece;
  }

  /** @returns whether it waited */
  unwait(edge: number, piece: number): boolean {
    return remove(this.#waiting, this.#waitingCounts, edge, this.outstanding, piece);
  }

  forgetWaiting(edge: number): void {
    this.#waitingCounts[edge] = 0;
  }
}

function indexOf(list: Int32Array, first: number, count: number, piece: number): number {
  for (let at = first; at < first + count; at++) if (list[at] === piece) return at;
  return -1;
}

function remove(
  list: Int32Array,
  counts: Uint8Array,
  edge: number,
  stride: number,
  piece: number,
): boolean {
  const first = edge * stride;
  const count = counts[edge]!;
  const found = indexOf(list, first, count, piece);
  if (found < 0) return false;
  for (let at = found; at < first + count - 1; at++) list[at] = list[at + 1]!;
  counts[edge] = count - 1;
  return true;
}
