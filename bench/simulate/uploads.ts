import { maxHops, type Network } from './network.ts';
import { kinds, type SwarmState } from './swarm-state.ts';
import type { UploadOrder } from './upload-order.ts';

export interface UploadsComponents {
  readonly state: SwarmState;
  readonly network: Network;
  readonly order: UploadOrder;
}

/** What hosts send: so many pieces at a time, each as one flow. */
export class Uploads {
  readonly #state: SwarmState;
  readonly #network: Network;
  readonly #order: UploadOrder;
  readonly #slots: number;
  /** Its flows, for each host from its first edge on. */
  readonly #active: Int32Array;
  readonly #activeCounts: Int32Array;
  /** By flow: the edge of whoever asked, and the piece. */
  readonly #flowEdges: Int32Array;
  readonly #flowPieces: Int32Array;
  readonly #path = new Int32Array(maxHops);

  constructor(components: UploadsComponents) {
    this.#state = components.state;
    this.#network = components.network;
    this.#order = components.order;
    const { fleet, uploads } = this.#state.spec;
    this.#slots = uploads;
    const { count } = this.#state.edges;
    this.#active = new Int32Array(count);
    this.#activeCounts = new Int32Array(fleet.hosts);
    this.#flowEdges = new Int32Array(count);
    this.#flowPieces = new Int32Array(count);
  }

  onRequest(edge: number, piece: number): void {
    const { edges, alive, requests } = this.#state;
    const uploader = edges.neighbours[edge]!;
    if (alive[uploader] === 0 || alive[edges.owners[edge]!] === 0) return;
    requests.wait(edge, piece);
    this.#serve(uploader);
  }

  onCancel(edge: number, piece: number): void {
    const uploader = this.#state.edges.neighbours[edge]!;
    if (this.#state.requests.unwait(edge, piece)) return;
    const first = this.#state.edges.first(uploader);
    for (let slot = 0; slot < this.#activeCounts[uploader]!; slot++) {
      const flow = this.#active[first + slot]!;
      if (this.#flowEdges[flow] !== edge || this.#flowPieces[flow] !== piece) continue;
      this.#end(uploader, slot);
      this.#serve(uploader);
      return;
    }
  }

  /** A flow that was due. @returns the edge on which it has arrived; -1: it has not */
  onFlow(flow: number): number {
    if (!this.#network.isDone(flow)) return -1;
    const edge = this.#flowEdges[flow]!;
    const uploader = this.#state.edges.neighbours[edge]!;
    const first = this.#state.edges.first(uploader);
    let slot = 0;
    while (this.#active[first + slot] !== flow) slot += 1;
    this.#end(uploader, slot);
    this.#state.send(edge, kinds.arrival, this.#flowPieces[flow]!);
    this.#serve(uploader);
    return edge;
  }

  /** The host sends nothing more. */
  stop(host: number): void {
    while (this.#activeCounts[host]! > 0) this.#end(host, 0);
  }

  /** Nothing more is sent to the owner of the edge. */
  stopEdge(edge: number): void {
    const uploader = this.#state.edges.neighbours[edge]!;
    const first = this.#state.edges.first(uploader);
    this.#state.requests.forgetWaiting(edge);
    for (let slot = this.#activeCounts[uploader]! - 1; slot >= 0; slot--) {
      const flow = this.#active[first + slot]!;
      if (this.#flowEdges[flow] === edge) this.#end(uploader, slot);
    }
    if (this.#state.alive[uploader] === 1) this.#serve(uploader);
  }

  #serve(uploader: number): void {
    const { edges, requests, spec } = this.#state;
    const first = edges.first(uploader);
    while (this.#activeCounts[uploader]! < this.#slots) {
      const edge = this.#order.next(uploader);
      if (edge < 0) return;
      const piece = requests.shift(edge);
      const hops = spec.fleet.path(uploader, edges.owners[edge]!, this.#path);
      const flow = this.#network.begin(this.#path, hops, spec.pieceBytes);
      requests.setSent(edge, true);
      this.#flowEdges[flow] = edge;
      this.#flowPieces[flow] = piece;
      this.#active[first + this.#activeCounts[uploader]!++] = flow;
    }
  }

  #end(uploader: number, slot: number): void {
    const first = this.#state.edges.first(uploader);
    const flow = this.#active[first + slot]!;
    this.#network.end(flow);
    this.#state.requests.setSent(this.#flowEdges[flow]!, false);
    this.#active[first + slot] = this.#active[first + --this.#activeCounts[uploader]!]!;
  }
}
