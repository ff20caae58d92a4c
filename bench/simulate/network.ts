import type { EventQueue } from './event-queue.ts';

export interface NetworkInit {
  /** Of each link, in bytes per second. */
  readonly capacities: Float64Array;
  /** How many flows there may be at a time. */
  readonly flows: number;
  /** How much of a link may lie idle before its flows are given more, as a share of 1. */
  readonly tolerance: number;
}

/** A flow crosses host, rack and zone on either side at the most. */
export const maxHops = 6;
const hopStride = 8;
/** What is left free of each link, so that rates that are slightly off overload none. */
const reserve = 0.002;
/** Changes below are not worth a word. */
const leastChange = reserve / 4;

/**
 * Flows over links, which share the links as TCP would in the long run: max-min fair. After each
 * change only those links are looked at anew whose flows were touched, and from there the links whose
 * use changed by more than the tolerance.
 *
 * Each link has a *share*: what a flow gets that nothing else limits more. A flow's rate is the least
 * share on its path.
 */
export class Network {
  readonly #queue: EventQueue;
  readonly #tolerance: number;
  readonly #capacities: Float64Array;
  /** By link: what its flows use, its share, how many flows have their least share here. */
  readonly #used: Float64Array;
  readonly #shares: Float64Array;
  readonly #necks: Int32Array;
  /** By link: its flows in no order, as numbers of hops (flow * hopStride + hop). */
  readonly #crossing: Int32Array[];
  readonly #counts: Int32Array;
  readonly #carried: Float64Array;
  /** By flow. */
  readonly #rates: Float64Array;
  readonly #remaining: Float64Array;
  readonly #sizes: Float64Array;
  readonly #since: Float64Array;
  readonly #hops: Uint8Array;
  readonly #neckOf: Int32Array;
  /** By hop: its link, and where it stands in that link's list. */
  readonly #path: Int32Array;
  readonly #places: Int32Array;
  readonly #free: Int32Array;
  #freeCount: number;
  /** Links whose shares are not right any more, in a ring. */
  readonly #dirty: Int32Array;
  readonly #isDirty: Uint8Array;
  #dirtyHead = 0;
  #dirtyCount = 0;
  readonly #changed: Int32Array;
  readonly #isChanged: Uint8Array;
  #changedCount = 0;
  #limits = new Float64Array(64);
  #looks = 0;

  constructor(components: { readonly queue: EventQueue }, init: NetworkInit) {
    this.#queue = components.queue;
    this.#tolerance = init.tolerance;
    const links = init.capacities.length;
    const { flows } = init;
    this.#capacities = init.capacities;
    this.#used = new Float64Array(links);
    this.#shares = init.capacities.map((capacity) => capacity * (1 - reserve));
    this.#necks = new Int32Array(links);
    this.#crossing = Array.from({ length: links }, () => new Int32Array(4));
    this.#counts = new Int32Array(links);
    this.#carried = new Float64Array(links);
    this.#rates = new Float64Array(flows);
    this.#remaining = new Float64Array(flows);
    this.#sizes = new Float64Array(flows);
    this.#since = new Float64Array(flows);
    this.#hops = new Uint8Array(flows);
    this.#neckOf = new Int32Array(flows).fill(-1);
    this.#path = new Int32Array(flows * hopStride);
    this.#places = new Int32Array(flows * hopStride);
    this.#free = new Int32Array(flows).map((_, index) => flows - 1 - index);
    this.#freeCount = flows;
    this.#dirty = new Int32Array(links);
    this.#isDirty = new Uint8Array(links);
    this.#changed = new Int32Array(flows);
    this.#isChanged = new Uint8Array(flows);
  }

  /** How often a link was looked at: what the network costs. */
  get looks(): number {
    return this.#looks;
  }

  rate(flow: number): number {
    return this.#rates[flow]!;
  }

  used(link: number): number {
    return this.#used[link]!;
  }

  /** The bytes that a link has carried of flows that have ended. */
  carried(link: number): number {
    return this.#carried[link]!;
  }

  /** Begins a flow over the first `hops` links of a path. Its rate is known after `settle`. */
  begin(path: Int32Array, hops: number, bytes: number): number {
    if (this.#freeCount === 0) throw new RangeError('there are more flows than there may be');
    const flow = this.#free[--this.#freeCount]!;
    this.#rates[flow] = 0;
    this.#remaining[flow] = bytes;
    this.#sizes[flow] = bytes;
    this.#since[flow] = this.#queue.now;
    this.#hops[flow] = hops;
    let neck = path[0]!;
    for (let hop = 0; hop < hops; hop++) {
      const link = path[hop]!;
      this.#enter(link, flow * hopStride + hop);
      if (this.#shares[link]! < this.#shares[neck]!) neck = link;
    }
    this.#setRate(flow, this.#shares[neck]!, neck);
    return flow;
  }

  /** Ends a flow, done or not. */
  end(flow: number): void {
    this.#advance(flow);
    const sent = this.#sizes[flow]! - this.#remaining[flow]!;
    this.#setRate(flow, 0, -1);
    const first = flow * hopStride;
    for (let hop = first; hop < first + this.#hops[flow]!; hop++) {
      this.#carried[this.#path[hop]!]! += sent;
      this.#leave(hop);
    }
    this.#queue.deleteFlow(flow);
    this.#free[this.#freeCount++] = flow;
  }

  /** Whether a flow that was due is done. It is looked at again later when it has become slower. */
  isDone(flow: number): boolean {
    const rest =
      this.#remaining[flow]! - this.#rates[flow]! * (this.#queue.now - this.#since[flow]!);
    if (rest < 1) return true;
    this.#queue.setFlowTime(flow, this.#dueTime(flow));
    return false;
  }

  /** Works out the rates after flows have begun and ended. */
  settle(): void {
    // With the thresholds it ends long before; whatever is left then is looked at next time.
    for (
      let left = 64 * this.#capacities.length + 1_024;
      this.#dirtyCount > 0 && left > 0;
      left--
    ) {
      const link = this.#dirty[this.#dirtyHead]!;
      this.#dirtyHead = this.#dirtyHead + 1 === this.#dirty.length ? 0 : this.#dirtyHead + 1;
      this.#dirtyCount -= 1;
      this.#isDirty[link] = 0;
      this.#share(link);
    }
    for (let index = 0; index < this.#changedCount; index++) {
      const flow = this.#changed[index]!;
      this.#isChanged[flow] = 0;
      if (this.#neckOf[flow]! < 0) continue;
      // When it is due later than it was, that is found out when it is looked at.
      const due = this.#dueTime(flow);
      if (due < this.#queue.flowTime(flow)) this.#queue.setFlowTime(flow, due);
    }
    this.#changedCount = 0;
  }

  #dueTime(flow: number): number {
    return this.#since[flow]! + this.#remaining[flow]! / this.#rates[flow]!;
  }

  #advance(flow: number): void {
    const { now } = this.#queue;
    const sent = this.#rates[flow]! * (now - this.#since[flow]!);
    this.#remaining[flow] = Math.max(0, this.#remaining[flow]! - sent);
    this.#since[flow] = now;
  }

  #enter(link: number, hop: number): void {
    let crossing = this.#crossing[link]!;
    const count = this.#counts[link]!++;
    if (count === crossing.length) {
      const larger = new Int32Array(2 * count);
      larger.set(crossing);
      crossing = this.#crossing[link] = larger;
      if (this.#limits.length < larger.length) this.#limits = new Float64Array(larger.length);
    }
    crossing[count] = hop;
    this.#path[hop] = link;
    this.#places[hop] = count;
  }

  #leave(hop: number): void {
    const link = this.#path[hop]!;
    const crossing = this.#crossing[link]!;
    const place = this.#places[hop]!;
    const moved = crossing[--this.#counts[link]!]!;
    crossing[place] = moved;
    this.#places[moved] = place;
    if (this.#counts[link] === 0) {
      // No rounding error outlives the flows.
      this.#used[link] = 0;
      this.#shares[link] = this.#capacities[link]! * (1 - reserve);
    }
  }

  #setRate(flow: number, rate: number, neck: number): void {
    const before = this.#rates[flow]!;
    const neckBefore = this.#neckOf[flow]!;
    if (neck !== neckBefore) {
      if (neckBefore >= 0) this.#necks[neckBefore]! -= 1;
      if (neck >= 0) this.#necks[neck]! += 1;
      this.#neckOf[flow] = neck;
    }
    const change = rate - before;
    if (neck >= 0 && Math.abs(change) <= leastChange * before) {
      // It may have more now of the link that limits it.
      if (neck !== neckBefore && this.#isDirty[neck] === 0) this.#judge(neck);
      return;
    }
    if (neck >= 0) {
      this.#advance(flow);
      if (this.#isChanged[flow] === 0) {
        this.#isChanged[flow] = 1;
        this.#changed[this.#changedCount++] = flow;
      }
    }
    this.#rates[flow] = rate;
    const first = flow * hopStride;
    for (let hop = first; hop < first + this.#hops[flow]!; hop++) {
      const link = this.#path[hop]!;
      this.#used[link]! += change;
      if (this.#isDirty[link] === 0) this.#judge(link);
    }
  }

  /** Whether a link is used too much, or so little that its flows could have more. */
  #judge(link: number): void {
    const capacity = this.#capacities[link]!;
    const used = this.#used[link]!;
    if (used <= capacity) {
      if (this.#necks[link]! < 1 || used >= capacity * (1 - reserve - this.#tolerance)) return;
    }
    let end = this.#dirtyHead + this.#dirtyCount++;
    if (end >= this.#dirty.length) end -= this.#dirty.length;
    this.#dirty[end] = link;
    this.#isDirty[link] = 1;
  }

  /** Shares a link anew among its flows. */
  #share(link: number): void {
    const count = this.#counts[link]!;
    if (count === 0) return;
    this.#looks += 1;
    const crossing = this.#crossing[link]!;
    const limits = this.#limits;
    for (let index = 0; index < count; index++)
      limits[index] = this.#limitElsewhere(crossing[index]!);
    const share = fairShare(limits, count, this.#capacities[link]! * (1 - reserve));
    this.#shares[link] = share;
    for (let index = 0; index < count; index++) {
      const hop = crossing[index]!;
      const limit = limits[index]!;
      const flow = Math.floor(hop / hopStride);
      if (limit < share) this.#setRate(flow, limit, this.#neckElsewhere(hop));
      else this.#setRate(flow, share, link);
    }
  }

  /** The least share of a flow at its other hops. */
  #limitElsewhere(hop: number): number {
    const first = hop - (hop % hopStride);
    const hops = this.#hops[first / hopStride]!;
    if (hops === 2) return this.#shares[this.#path[hop ^ 1]!]!;
    let least = Infinity;
    for (let other = first; other < first + hops; other++) {
      if (other !== hop) least = Math.min(least, this.#shares[this.#path[other]!]!);
    }
    return least;
  }

  #neckElsewhere(hop: number): number {
    const first = hop - (hop % hopStride);
    const hops = this.#hops[first / hopStride]!;
    if (hops === 2) return this.#path[hop ^ 1]!;
    let neck = -1;
    for (let other = first; other < first + hops; other++) {
      if (other === hop) continue;
      const link = this.#path[other]!;
      if (neck < 0 || this.#shares[link]! < this.#shares[neck]!) neck = link;
    }
    return neck;
  }
}

/**
 * What each flow gets that is not limited to less elsewhere, so that all together use the capacity.
 * Where all are limited elsewhere: what one of them could have more than the most that one has.
 */
function fairShare(limits: Float64Array, count: number, capacity: number): number {
  let share = capacity / count;
  for (;;) {
    let lower = 0;
    let sum = 0;
    let most = 0;
    for (let index = 0; index < count; index++) {
      const limit = limits[index]!;
      if (limit >= share) continue;
      lower += 1;
      sum += limit;
      if (limit > most) most = limit;
    }
    if (lower === count) return most + (capacity - sum);
    const next = (capacity - sum) / (count - lower);
    if (next <= share * (1 + 1e-9)) return next;
    share = next;
  }
}
