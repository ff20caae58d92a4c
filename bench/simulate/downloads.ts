import { worthDoubling, type SourcePace } from '../../src/policy/index.ts';
import { kinds, lanes, type SwarmState } from './swarm-state.ts';

/** In the end game a piece is asked of so many neighbours. */
const endGameOwners = 3;

/** What hosts ask for, of whom, and what comes. Where it can, it decides as `Download` of src/swarm. */
export class Downloads {
  readonly #state: SwarmState;
  /** When each host had everything; NaN: it has not. */
  readonly completedSeconds: Float64Array;
  #missing: number;
  #duplicates = 0;
  /** By edge: when something came last, or was asked for after nothing was owed; and how fast. */
  readonly #heard: Float64Array;
  readonly #rates: Float64Array;
  /** By host: how often a piece was asked of another too; whether it looks who is slow. */
  readonly #doubled: Int32Array;
  readonly #checks: Uint8Array;

  constructor({ state }: { readonly state: SwarmState }) {
    this.#state = state;
    const { fleet } = state.spec;
    this.completedSeconds = new Float64Array(fleet.hosts).fill(NaN);
    this.#missing = fleet.hosts - fleet.seeds;
    this.#heard = new Float64Array(state.edges.count);
    this.#rates = new Float64Array(state.edges.count);
    this.#doubled = new Int32Array(fleet.hosts);
    this.#checks = new Uint8Array(fleet.hosts);
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

  /** The neighbour has a piece, or all that are announced where none is named. */
  onHave(edge: number, piece: number): void {
    const { picking, edges, requests } = this.#state;
    const host = edges.owners[edge]!;
    picking.changeAvailability(host, piece, 1);
    if (requests.owed(edge) >= requests.outstanding || !picking.isWanted(host, piece)) return;
    // All else that the neighbour has was not wanted, or it would have been asked for.
    picking.take(host, piece);
    this.#ask(edge, piece);
  }

  /** Asks the neighbour for what there is room for. */
  fill(edge: number): void {
    const { connected, requests, picking, edges } = this.#state;
    if (connected[edge] === 0) return;
    const host = edges.owners[edge]!;
    const sets = this.#state.askableSets(edge);
    const row = this.#state.askableRow(edge);
    while (requests.owed(edge) < requests.outstanding) {
      const piece = picking.pick(host, sets, row);
      if (piece < 0) {
        this.#doubleIfIdle(edge);
        return;
      }
      this.#ask(edge, piece);
    }
  }

  onArrival(edge: number, piece: number): void {
    const { edges, requests, have, haveCounts, alive, queue, spec } = this.#state;
    const host = edges.owners[edge]!;
    if (alive[host] === 0) return;
    // What was given up and comes all the same is welcome.
    requests.disown(edge, piece);
    this.#hear(edge);
    if (have.has(host, piece)) {
      this.#duplicates += 1;
    } else {
      have.add(host, piece);
      this.#state.picking.take(host, piece);
      this.#announce(host, piece);
      if (this.#doubled[host]! > 0) this.#cancelOthers(host, piece);
      if ((haveCounts[host]! += 1) >= spec.pieces) {
        this.completedSeconds[host] = queue.now;
        this.#missing -= 1;
      }
    }
    this.fill(edge);
  }

  /** The neighbour is gone: what it owes is wanted again. */
  forget(edge: number): void {
    const { requests, edges } = this.#state;
    const host = edges.owners[edge]!;
    while (requests.owed(edge) > 0) {
      const piece = requests.owedPiece(edge, 0);
      requests.disown(edge, piece);
      if (this.#ownersOf(host, piece) === 0 && !this.#state.have.has(host, piece)) {
        this.#state.picking.restore(host, piece);
      }
    }
    for (let other = edges.first(host); other < edges.first(host + 1); other++) this.fill(other);
  }

  /** A host that has begun everything looks whether somebody is slow. */
  onCheck(host: number): void {
    const { edges, alive, haveCounts, spec, queue } = this.#state;
    this.#checks[host] = 0;
    if (alive[host] === 0 || haveCounts[host] === spec.pieces) return;
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) this.fill(edge);
    this.#checks[host] = 1;
    queue.send(lanes.check, kinds.check, host, 0);
  }

  #ask(edge: number, piece: number): void {
    const { requests, queue } = this.#state;
    if (requests.owed(edge) === 0) this.#heard[edge] = queue.now;
    requests.own(edge, piece);
    this.#state.send(edge, kinds.request, piece);
  }

  #announce(host: number, piece: number): void {
    const { edges, queue } = this.#state;
    const mask = edges.distanceMasks[host]!;
    for (let distance = 0; distance < 3; distance++) {
      if ((mask & (1 << distance)) !== 0) queue.send(distance, kinds.have, host, piece);
    }
  }

  #hear(edge: number): void {
    const { queue, spec } = this.#state;
    const seconds = Math.max(1e-9, queue.now - this.#heard[edge]!);
    const rate = spec.pieceBytes / seconds;
    const before = this.#rates[edge]!;
    this.#rates[edge] = before === 0 ? rate : (before + rate) / 2;
    this.#heard[edge] = queue.now;
  }

  #doubleIfIdle(edge: number): void {
    const { edges, requests, picking, have, haveCounts, spec, queue } = this.#state;
    const host = edges.owners[edge]!;
    if (picking.wantedCount(host) > 0 || haveCounts[host] === spec.pieces) return;
    if (this.#checks[host] === 0) {
      this.#checks[host] = 1;
      queue.send(lanes.check, kinds.check, host, 0);
    }
    if (requests.owed(edge) > 0) return;
    const sets = this.#state.askableSets(edge);
    const row = this.#state.askableRow(edge);
    for (let owner = edges.first(host); owner < edges.first(host + 1); owner++) {
      for (let index = 0; index < requests.owed(owner); index++) {
        const piece = requests.owedPiece(owner, index);
        if (!sets.has(row, piece) || have.has(host, piece)) continue;
        if (!this.#isSlow(host, piece, this.#paceOf(edge))) continue;
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
    const { requests, queue, spec } = this.#state;
    const owed = requests.owed(edge);
    return {
      outstandingBytes: owed * spec.pieceBytes,
      rateBytesPerSecond: this.#rates[edge]!,
      silentMs: owed === 0 ? 0 : (queue.now - this.#heard[edge]!) * 1_000,
    };
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
