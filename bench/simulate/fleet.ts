import type { GroupLinks, HostLinks, Topology } from '../../src/policy/index.ts';

/** Rates in payload bytes per second, the same up and down. */
export interface FleetInit {
  /** Hosts that have the image; they come first. */
  readonly seeds: number;
  readonly hosts: number;
  readonly hostBytesPerSecond: number;
  /** Hosts with other links, by their number among all. */
  readonly others?: ReadonlyMap<number, number> | undefined;
  /**
   * How many racks the hosts that fetch are in, all with as many as the others; none: nothing is
   * shared. Seeds are in no rack.
   */
  readonly racks?: number | undefined;
  readonly rackBytesPerSecond?: number | undefined;
  /** How many zones the racks are in. */
  readonly zones?: number | undefined;
  readonly zoneBytesPerSecond?: number | undefined;
}

/** How far apart two hosts are: in one rack, in one zone, or neither. */
export const distances = ['rack', 'zone', 'core'] as const;

/**
 * The hosts of a fleet, numbered from 0 with the seeds first, and the links between them. Links have
 * numbers: up and down of each host, of each rack, of each zone.
 */
export class Fleet {
  readonly seeds: number;
  /** With the seeds. */
  readonly hosts: number;
  readonly racks: number;
  readonly zones: number;
  readonly capacities: Float64Array;
  readonly #init: FleetInit;

  constructor(init: FleetInit) {
    this.#init = init;
    this.seeds = init.seeds;
    this.hosts = init.seeds + init.hosts;
    this.racks = init.racks ?? 0;
    this.zones = init.zones ?? 0;
    this.capacities = new Float64Array(2 * (this.hosts + this.racks + this.zones));
    for (let host = 0; host < this.hosts; host++) {
      this.#setCapacity(host, init.others?.get(host) ?? init.hostBytesPerSecond);
    }
    for (let rack = 0; rack < this.racks; rack++) {
      this.#setCapacity(this.hosts + rack, init.rackBytesPerSecond ?? Infinity);
    }
    for (let zone = 0; zone < this.zones; zone++) {
      this.#setCapacity(this.hosts + this.racks + zone, init.zoneBytesPerSecond ?? Infinity);
    }
  }

  #setCapacity(node: number, bytesPerSecond: number): void {
    this.capacities[2 * node] = bytesPerSecond;
    this.capacities[2 * node + 1] = bytesPerSecond;
  }

  /** -1: in no rack. */
  rackOf(host: number): number {
    if (this.racks === 0 || host < this.seeds) return -1;
    return Math.floor(((host - this.seeds) * this.racks) / (this.hosts - this.seeds));
  }

  /** -1: in no zone. */
  zoneOf(host: number): number {
    const rack = this.rackOf(host);
    return this.zones === 0 || rack < 0 ? -1 : Math.floor((rack * this.zones) / this.racks);
  }

  upLink(host: number): number {
    return 2 * host;
  }

  downLink(host: number): number {
    return 2 * host + 1;
  }

  rackUpLink(rack: number): number {
    return 2 * (this.hosts + rack);
  }

  rackDownLink(rack: number): number {
    return 2 * (this.hosts + rack) + 1;
  }

  /** As an index of `distances`. Without racks all are as in one. */
  distance(one: number, other: number): number {
    if (this.rackOf(one) === this.rackOf(other)) return 0;
    return this.zoneOf(one) === this.zoneOf(other) ? 1 : 2;
  }

  /** Writes the links from one host to another. @returns how many they are */
  path(from: number, to: number, links: Int32Array): number {
    const distance = this.distance(from, to);
    let hops = 0;
    links[hops++] = this.upLink(from);
    if (distance > 0) {
      const [fromRack, toRack] = [this.rackOf(from), this.rackOf(to)];
      const [fromZone, toZone] = [this.zoneOf(from), this.zoneOf(to)];
      const zones = this.hosts + this.racks;
      if (fromRack >= 0) links[hops++] = this.rackUpLink(fromRack);
      if (distance > 1 && fromZone >= 0) links[hops++] = 2 * (zones + fromZone);
      if (distance > 1 && toZone >= 0) links[hops++] = 2 * (zones + toZone) + 1;
      if (toRack >= 0) links[hops++] = this.rackDownLink(toRack);
    }
    links[hops++] = this.downLink(to);
    return hops;
  }

  /** The same for the lower bound. */
  topology(): Topology {
    const links = Array.from({ length: this.hosts }, (_, host): HostLinks => ({
      upBytesPerSecond: this.capacities[this.upLink(host)]!,
      downBytesPerSecond: this.capacities[this.downLink(host)]!,
      group: this.rackOf(host) < 0 ? undefined : `rack ${this.rackOf(host)}`,
    }));
    return {
      seeds: links.slice(0, this.seeds),
      hosts: links.slice(this.seeds),
      groups: this.#groups(),
    };
  }

  #groups(): GroupLinks[] {
    const { rackBytesPerSecond = Infinity, zoneBytesPerSecond = Infinity } = this.#init;
    const racks = Array.from({ length: this.racks }, (_, rack): GroupLinks => {
      const zone = Math.floor((rack * this.zones) / this.racks);
      return {
        name: `rack ${rack}`,
        parent: this.zones === 0 ? undefined : `zone ${zone}`,
        upBytesPerSecond: rackBytesPerSecond,
        downBytesPerSecond: rackBytesPerSecond,
      };
    });
    const zones = Array.from({ length: this.zones }, (_, zone): GroupLinks => ({
      name: `zone ${zone}`,
      upBytesPerSecond: zoneBytesPerSecond,
      downBytesPerSecond: zoneBytesPerSecond,
    }));
    return [...racks, ...zones];
  }
}
