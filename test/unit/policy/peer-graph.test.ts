import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PeerGraph, type GraphNode, type Place } from '../../../src/policy/index.ts';
import { seededRandom } from '../../tools/seeded-random.ts';

interface Host {
  readonly id: number;
  readonly place: Place;
  readonly isSeed: boolean;
}

/** A swarm whose hosts come and go. */
class World {
  readonly graph: PeerGraph<Host>;
  readonly nodes = new Map<Host, GraphNode<Host>>();
  #ids = 0;

  constructor(seed: number, init = {}) {
    this.graph = new PeerGraph({ random: seededRandom(seed) }, init);
  }

  join(zone: string, rack: string, isSeed = false): Host {
    const host = { id: ++this.#ids, place: { zone, rack }, isSeed };
    this.nodes.set(host, this.graph.join(host, host.place, isSeed));
    return host;
  }

  leave(at: number): void {
    const hosts = [...this.nodes.keys()];
    const host = hosts[at % hosts.length];
    const node = host && this.nodes.get(host);
    if (host === undefined || node === undefined) return;
    this.graph.leave(node);
    this.nodes.delete(host);
  }

  ties(host: Host) {
    const node = this.nodes.get(host);
    return node === undefined ? [] : this.graph.ties(node);
  }

  /** Whom a piece that `from` has can come to, while `dead` answers nobody. */
  reached(from: Host, dead?: Host): Set<Host> {
    const reached = new Set([from]);
    for (const host of reached) {
      for (const { member } of this.ties(host)) if (member !== dead) reached.add(member);
    }
    return reached;
  }
}

const anyStep = fc.record({
  joins: fc.boolean(),
  zone: fc.constantFrom('', 'z1', 'z2'),
  rack: fc.constantFrom('', 'r1', 'r2', 'r3'),
  isSeed: fc.boolean(),
  at: fc.nat(),
});
const anyLife = fc.array(anyStep, { minLength: 1, maxLength: 60 });

function live(
  world: World,
  steps: readonly (typeof anyStep extends fc.Arbitrary<infer S> ? S : never)[],
) {
  for (const step of steps) {
    if (step.joins || world.nodes.size === 0) world.join(step.zone, step.rack, step.isSeed);
    else world.leave(step.at);
  }
}

test('whoever has a piece, there is a way for it to every host, whatever came and went', () => {
  fc.assert(
    fc.property(anyLife, fc.integer(), (steps, seed) => {
      const world = new World(seed);
      for (const step of steps) {
        live(world, [step]);
        expect(world.graph.size).toBe(world.nodes.size);
        const [host] = world.nodes.keys();
        if (host !== undefined) expect(world.reached(host).size).toBe(world.nodes.size);
      }
    }),
    { numRuns: 300 },
  );
});

test('no host that dies unnoticed cuts others off', () => {
  fc.assert(
    fc.property(anyLife, fc.integer(), (steps, seed) => {
      const world = new World(seed);
      live(world, steps);
      const hosts = [...world.nodes.keys()];
      for (const dead of hosts) {
        const first = hosts.find((host) => host !== dead);
        if (first === undefined) continue;
        expect(world.reached(first, dead).size).toBe(hosts.length - 1);
      }
    }),
    { numRuns: 200 },
  );
});

test('two hosts know of each other or neither does, and at the same level', () => {
  fc.assert(
    fc.property(anyLife, fc.integer(), (steps, seed) => {
      const world = new World(seed);
      live(world, steps);
      for (const host of world.nodes.keys()) {
        const ties = world.ties(host);
        expect(new Set(ties.map(({ member }) => member)).size).toBe(ties.length);
        for (const { member, level } of ties) {
          expect(member).not.toBe(host);
          const back = world.ties(member).find((tie) => tie.member === host);
          expect(back?.level).toBe(level);
          const { zone, rack } = host.place;
          const near = member.place.zone === zone;
          expect(level).toBe(near ? (member.place.rack === rack ? 0 : 1) : 2);
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('of each rack a few hosts, and always as many as may be, are connected to others', () => {
  fc.assert(
    fc.property(anyLife, fc.integer(), (steps, seed) => {
      const world = new World(seed, { gateways: 2 });
      live(world, steps);
      const racks = Map.groupBy(world.nodes, ([{ place }]) => `${place.zone}/${place.rack}`);
      for (const members of racks.values()) {
        for (const kind of [true, false]) {
          const own = members.filter(([{ isSeed }]) => isSeed === kind);
          const standing = own.filter(([, node]) => node.seats.length > 1);
          expect(standing.length).toBe(Math.min(2, own.length));
        }
        const slots = members.flatMap(([, node]) => world.graph.slots(node)[0] ?? []);
        expect(new Set(slots).size).toBe(slots.length);
        for (const slot of slots) expect(slot).toBeLessThan(2);
      }
    }),
    { numRuns: 200 },
  );
});

/** Two racks of this size; of each host of the first its ties, and whether it stands for the rack. */
function rackOf(hosts: number) {
  const world = new World(hosts);
  for (const rack of ['r1', 'r2']) {
    for (let host = 0; host < hosts; host++) world.join('', rack);
  }
  return [...world.nodes].slice(0, hosts).map(([host, node]) => {
    const isGateway = world.graph.slots(node)[0] !== undefined;
    const near = world.ties(host).filter(({ level }) => level === 0);
    return { host, isGateway, near: near.map(({ member }) => member) };
  });
}

test('who stands for a rack has fewer neighbours in it, and takes none from the others', () => {
  const rack = rackOf(300);
  const gateways = rack.filter(({ isGateway }) => isGateway);
  const standing = new Set(gateways.map(({ host }) => host));
  expect(gateways).toHaveLength(6);
  for (const { near } of gateways) {
    expect(near.filter((host) => !standing.has(host)).length).toBeLessThanOrEqual(6);
  }
  const others = rack.filter(({ isGateway }) => !isGateway);
  for (const { near } of others) expect(near.length).toBeLessThanOrEqual(8);
  expect(others.filter(({ near }) => near.length === 8).length).toBeGreaterThan(280);
});

test('in a small rack each is connected to each, where there are others', () => {
  for (const { near } of rackOf(9)) expect(near).toHaveLength(8);
});

test('a host of a large swarm has few neighbours, and is few steps away from all', () => {
  const world = new World(7);
  for (let host = 0; host < 5_000; host++) world.join('', '');
  const [first] = world.nodes.keys();
  if (first === undefined) throw new Error('there is no host');
  for (const host of world.nodes.keys()) expect(world.ties(host).length).toBeLessThanOrEqual(8);
  let steps = 0;
  let reached = new Set([first]);
  while (reached.size < world.nodes.size) {
    const next = [...reached].flatMap((host) => world.ties(host).map(({ member }) => member));
    reached = new Set([...reached, ...next]);
    steps += 1;
  }
  expect(steps).toBeLessThanOrEqual(8);
});

test('spares are hosts of the own rack or, for gateways, gateways beyond; none is known already', () => {
  fc.assert(
    fc.property(anyLife, fc.integer(), fc.integer({ min: 0, max: 8 }), (steps, seed, count) => {
      const world = new World(seed);
      for (const { joins, zone, rack, isSeed, at } of steps) {
        if (joins) world.join(zone, rack, isSeed);
        else world.leave(at);
      }
      for (const [host, node] of world.nodes) {
        const spares = world.graph.spares(node, count);
        expect(spares.length).toBeLessThanOrEqual(count);
        expect(new Set(spares).size).toBe(spares.length);
        const known = new Set([host, ...world.ties(host).map(({ member }) => member)]);
        const isGateway = node.seats.length > 1;
        for (const spare of spares) {
          expect(known).not.toContain(spare);
          const isNear =
            spare.place.zone === host.place.zone && spare.place.rack === host.place.rack;
          expect(isNear || isGateway).toBe(true);
        }
      }
    }),
  );
});

test('who misses a tie in a large rack is given another', () => {
  const world = new World(1);
  const hosts = Array.from({ length: 40 }, () => world.join('z', 'r'));
  for (const host of hosts) {
    const node = world.nodes.get(host);
    expect(node && world.graph.spares(node, 4)).toHaveLength(4);
  }
});
