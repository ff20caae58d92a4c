import {
  answerPatienceMs,
  hasRequestRoom,
  worthDoubling,
  type SourcePace,
} from '../../src/policy/index.ts';
import type { FarAsking } from './far-asking.ts';
import { kinds, lanes, type SwarmState } from './swarm-state.ts';

/** In the end game a piece is asked of so many neighbours. */
const endGameOwners = 3;

export interface DownloadsComponents {
  readonly state: SwarmState;
  readonly far: FarAsking;
}

/** What hosts ask for, of whom, and what comes: `Download` of src/swarm for very many hosts. */
export class Downloads {
  readonly #state: SwarmState;
  readonly #far: FarAsking;
  /** When each host had everything; NaN: it has not. */
  readonly completedSeconds: Float64Array;
  #missing: number;
  #duplicates = 0;
  /** By host: how often a piece was asked of another too; whether a tick of it is under way. */
  readonly #doubled: Int32Array;
  readonly #ticking: Uint8Array;

  constructor({ state, far }: DownloadsComponents) {
    this.#state = state;
    this.#far = far;
    const { fleet } = state.spec;
    this.completedSeconds = new Float64Array(fleet.hosts).fill(NaN);
    this.#missing = fleet.hosts - fleet.seeds;
    this.#doubled = new Int32Array(fleet.hosts);
    this.#ticking = new Uint8Array(fleet.hosts);
  }

  /** How many hosts are alive, or to come, and have not got everything. */
  get missing(): number {
    return this.#missing;
  }

  /** How many pieces came that were here already. */
  get duplicates(): number {
    return this.#duplicates;
  }

  onDeath(host: number): void {
    if (Number.isNaN(this.completedSeconds[host])) this.#missing -= 1;
  }

  /** The neighbour has one more piece. */
  onHave(edge: number, piece: number): void {
    const picker = this.#state.pickers[this.#state.edges.owners[edge]!]!;
    picker.changeAvailability(piece, 1);
    this.#far.change(edge, piece, 1);
    // All else that it has would have been asked for.
    if (picker.isWanted(piece) && this.#hasRoom(edge)) this.fill(edge);
  }

  /** Asks the neighbour for what there is room for. */
  fill(edge: number): void {
    const { connected, edges, pickers, have } = this.#state;
    const host = edges.owners[edge]!;
    if (connected[edge] === 0 || have[host]!.isFull || !this.#hasRoom(edge)) return;
    const picker = pickers[host]!;
    if (picker.wantedCount > 0) {
      const allowed = this.#far.allowed(edge);
      do {
        const piece = picker.pick(allowed);
        if (piece === undefined) break;
        this.#ask(edge, piece);
      } while (this.#hasMoreRoom(edge));
    }
    if (this.#far.isFarSighted(host)) this.#tickLater(host);
    if (picker.wantedCount === 0) this.#double(edge);
  }

  onArrival(edge: number, piece: number): void {
    const { edges, requests, paces, alive, have, queue, spec } = this.#state;
    const host = edges.owners[edge]!;
    if (alive[host] === 0) return;
    // What was given up and comes all the same is welcome.
    requests.disown(edge, piece);
    paces.received(edge, spec.pieceBytes);
    if (have[host]!.add(piece)) {
      this.#state.pickers[host]!.take(piece);
      this.#announce(host, piece);
      if (this.#doubled[host]! > 0) this.#cancelOthers(host, piece);
      if (have[host]!.isFull) {
        this.completedSeconds[host] = queue.now;
        this.#missing -= 1;
      }
    } else {
      this.#duplicates += 1;
    }
    this.fill(edge);
  }

  /** The neighbour is gone: what it owes is wanted again. */
  forget(edge: number): void {
    const { requests, edges, have, pickers } = this.#state;
    const host = edges.owners[edge]!;
    while (requests.owed(edge) > 0) {
      const piece = requests.owedPiece(edge, 0);
      requests.disown(edge, piece);
      if (this.#ownersOf(host, piece) > 0 || have[host]!.has(piece)) continue;
      pickers[host]!.restore(piece);
    }
    this.#fillAll(host);
  }

  /** After what time a neighbour that says nothing any more is given up, in seconds. */
  patienceSeconds(edge: number): number {
    const { paces, spec, edges } = this.#state;
    const latencySeconds = spec.latencySeconds[edges.distances[edge]!]!;
    const pace = paces.of(edge, paces.windowBytes(edge, latencySeconds));
    return answerPatienceMs(pace) / 1_000;
  }

  /** A host looks about. */
  onTick(host: number): void {
    this.#ticking[host] = 0;
    if (this.#state.alive[host] === 0 || this.#state.have[host]!.isFull) return;
    this.#fillAll(host);
    this.#tickLater(host);
  }

  #fillAll(host: number): void {
    const { edges } = this.#state;
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) this.fill(edge);
  }

  /** Hosts look about once a second; it is simulated where something may come of it. */
  #tickLater(host: number): void {
    if (this.#ticking[host] === 1) return;
    this.#ticking[host] = 1;
    this.#state.queue.send(lanes.tick, kinds.tick, host, 0);
  }

  /** Small gaps are left open. */
  #hasRoom(edge: number): boolean {
    const { requests, spec } = this.#state;
    const owed = requests.owed(edge);
    if (owed === 0 || spec.outstanding !== undefined) return this.#hasMoreRoom(edge);
    return owed * spec.pieceBytes <= 0.75 * this.#windowBytes(edge) && this.#hasMoreRoom(edge);
  }

  #hasMoreRoom(edge: number): boolean {
    const { requests, spec } = this.#state;
    const owed = requests.owed(edge);
    if (owed === 0) return true;
    if (owed >= requests.outstanding) return false;
    if (spec.outstanding !== undefined) return true;
    const { pieceBytes } = spec;
    const windowBytes = this.#windowBytes(edge);
    return hasRequestRoom({ owedBytes: owed * pieceBytes, windowBytes, pieceBytes });
  }

  #windowBytes(edge: number): number {
    const { paces, spec, edges } = this.#state;
    return paces.windowBytes(edge, spec.latencySeconds[edges.distances[edge]!]!);
  }

  #ask(edge: number, piece: number): void {
    const { requests, paces } = this.#state;
    if (requests.owed(edge) === 0) paces.begin(edge);
    requests.own(edge, piece);
    this.#state.send(edge, kinds.request, piece);
  }

  #announce(host: number, piece: number): void {
    const { edges, queue } = this.#state;
    const mask = edges.distanceMasks[host]!;
    for (let distance = 0; distance < 3; distance++) {
      if ((mask & (1 << distance)) === 0) continue;
      queue.send(lanes.news + distance, kinds.have, host, piece);
    }
  }

  /** All is begun: asks an idle neighbour for a piece that others owe and will not send soon. */
  #double(edge: number): void {
    const { edges, requests, have } = this.#state;
    const host = edges.owners[edge]!;
    this.#tickLater(host);
    if (requests.owed(edge) > 0) return;
    const askable = this.#state.askable(edge);
    const helper = this.#paceOf(edge);
    for (let owner = edges.first(host); owner < edges.first(host + 1); owner++) {
      for (let index = 0; index < requests.owed(owner); index++) {
        const piece = requests.owedPiece(owner, index);
        if (!askable.has(piece) || have[host]!.has(piece)) continue;
        if (!this.#isSlow(host, piece, helper)) continue;
        this.#doubled[host]! += 1;
        this.#ask(edge, piece);
        return;
      }
    }
  }

  /** Whether all who owe a piece are slow beside the helper, and they are not too many. */
  #isSlow(host: number, piece: number, helper: SourcePace): boolean {
    const { edges, requests, spec } = this.#state;
    if (this.#ownersOf(host, piece) >= endGameOwners) return false;
    for (let owner = edges.first(host); owner < edges.first(host + 1); owner++) {
      if (!requests.owes(owner, piece)) continue;
      if (!worthDoubling(this.#paceOf(owner), helper, spec.pieceBytes)) return false;
    }
    return true;
  }

  #paceOf(edge: number): SourcePace {
    const { requests, paces, spec } = this.#state;
    return paces.of(edge, requests.owed(edge) * spec.pieceBytes);
  }

  #ownersOf(host: number, piece: number): number {
    const { edges, requests } = this.#state;
    let owners = 0;
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) {
      if (requests.owes(edge, piece)) owners += 1;
    }
    return owners;
  }

  #cancelOthers(host: number, piece: number): void {
    const { edges, requests } = this.#state;
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) {
      if (!requests.disown(edge, piece)) continue;
      this.#doubled[host]! -= 1;
      this.#state.send(edge, kinds.cancel, piece);
    }
  }
}
