import type { Edges } from './edges.ts';
import type { Requests } from './requests.ts';

/** Whom an uploader serves next. */
export interface UploadOrder {
  /**
   * The edge of a neighbour of whose requests one waits, and to whom nothing is being sent: what one
   * connection carries comes in order. -1: there is none.
   */
  next(uploader: number): number;
}

/** One piece to each neighbour in turn. */
export class RoundRobin implements UploadOrder {
  readonly #edges: Edges;
  readonly #requests: Requests;
  readonly #turns: Int32Array;

  constructor(components: { readonly edges: Edges; readonly requests: Requests }) {
    this.#edges = components.edges;
    this.#requests = components.requests;
    this.#turns = new Int32Array(components.edges.hosts);
  }

  next(uploader: number): number {
    const first = this.#edges.first(uploader);
    const count = this.#edges.first(uploader + 1) - first;
    let turn = this.#turns[uploader]!;
    for (let step = 0; step < count; step++) {
      turn = turn + 1 >= count ? 0 : turn + 1;
      const edge = this.#edges.others[first + turn]!;
      if (this.#requests.waiting(edge) === 0 || this.#requests.isSent(edge)) continue;
      this.#turns[uploader] = turn;
      return edge;
    }
    return -1;
  }
}
