import { Lane } from './lane.ts';
import { TimeHeap } from './time-heap.ts';

/** The kind of an event that says that a flow may be done. Others are those of whoever sends them. */
export const flowKind = 0;

export interface EventQueueInit {
  /** The delay of each lane, in seconds. */
  readonly delaysSeconds: readonly number[];
  /** How many flows there may be at a time. */
  readonly flows: number;
}

interface PlannedEvent {
  readonly time: number;
  readonly sequence: number;
  readonly kind: number;
  readonly first: number;
}

/**
 * What happens next. Most events come a fixed time after what caused them, so that they wait in lanes;
 * only flows end at times that change. Events at the same time come in the order in which they were
 * sent, so that a run is repeated exactly.
 */
export class EventQueue {
  readonly #lanes: readonly Lane[];
  readonly #flows: TimeHeap;
  /** What comes next is last. */
  readonly #planned: PlannedEvent[] = [];
  #isSorted = true;
  #sequence = 0;
  #now = 0;
  #handled = 0;
  kind = 0;
  first = 0;
  second = 0;
  /** The lane of the event; -1: none. */
  lane = -1;

  constructor({ delaysSeconds, flows }: EventQueueInit) {
    this.#lanes = delaysSeconds.map((delay) => new Lane(delay));
    this.#flows = new TimeHeap(flows);
  }

  /** In seconds, from 0. */
  get now(): number {
    return this.#now;
  }

  /** How many events there were. */
  get handled(): number {
    return this.#handled;
  }

  /** An event of a time that is known from the start. */
  plan(time: number, kind: number, first: number): void {
    this.#planned.push({ time, sequence: this.#sequence++, kind, first });
    this.#isSorted = false;
  }

  send(lane: number, kind: number, first: number, second: number): void {
    this.#lanes[lane]!.push(this.#now, this.#sequence++, kind, first, second);
  }

  /** When a flow is looked at. */
  flowTime(flow: number): number {
    return this.#flows.has(flow) ? this.#flows.time(flow) : Infinity;
  }

  setFlowTime(flow: number, time: number): void {
    this.#flows.set(flow, time, this.#sequence++);
  }

  deleteFlow(flow: number): void {
    this.#flows.delete(flow);
  }

  /**
   * Goes to the next event and tells it by `kind`, `first` and `second`. That of a flow stays until the
   * flow is set anew or deleted.
   * @returns false when there is none
   */
  next(): boolean {
    const flow = this.#flows.first;
    let time = flow < 0 ? Infinity : this.#flows.time(flow);
    let sequence = flow < 0 ? Infinity : this.#flows.sequence(flow);
    let from = -1;
    for (let index = 0; index < this.#lanes.length; index++) {
      const lane = this.#lanes[index]!;
      if (lane.isEmpty || lane.time > time) continue;
      if (lane.time === time && lane.sequence > sequence) continue;
      from = index;
      time = lane.time;
      sequence = lane.sequence;
    }
    if (!this.#isSorted) this.#sort();
    const planned = this.#planned.at(-1);
    if (planned !== undefined && isBefore(planned, time, sequence))
      return this.#takePlanned(planned);
    if (time === Infinity) return false;
    this.#now = Math.max(this.#now, time);
    this.#handled += 1;
    this.lane = from;
    if (from < 0) {
      this.kind = flowKind;
      this.first = flow;
      return true;
    }
    const lane = this.#lanes[from]!;
    this.kind = lane.kind;
    this.first = lane.first;
    this.second = lane.second;
    lane.shift();
    return true;
  }

  #sort(): void {
    this.#planned.sort((a, b) => b.time - a.time || b.sequence - a.sequence);
    this.#isSorted = true;
  }

  #takePlanned({ time, kind, first }: PlannedEvent): true {
    this.#planned.pop();
    this.#now = Math.max(this.#now, time);
    this.#handled += 1;
    this.lane = -1;
    this.kind = kind;
    this.first = first;
    return true;
  }
}

const isBefore = (planned: PlannedEvent, time: number, sequence: number): boolean =>
  planned.time < time || (planned.time === time && planned.sequence < sequence);
