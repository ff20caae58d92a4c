import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packAddress } from '../../../tracker/peer-address.ts';
import { SwarmTable } from '../../../tracker/swarm-table.ts';
import type { Announcement, AnnounceResult, Transport } from '../../../tracker/announcement.ts';
import { seededRandom } from './seeded-random.ts';

const init = {
  announceIntervalMs: 30_000,
  peerExpiryMarginMs: 10_000,
  maxSwarms: 1_000,
  maxPeers: 10_000,
};
const peerExpiryMs = 70_000;

const table = (changes: Partial<typeof init> = {}) =>
  new SwarmTable({ random: seededRandom(1) }, { ...init, ...changes });

const infoHash = (swarm: number) => `swarm ${swarm}`.padEnd(20, '\xff');

/** Peer `index`, with an address, port and id of its own. */
const peer = (index: number, changes: Partial<Announcement> = {}): Announcement => ({
  infoHash: infoHash(0),
  address: packAddress(`198.18.${index >> 8}.${index & 0xff}`) ?? '',
  port: 6_881,
  peerId: `peer ${index}`.padEnd(20),
  leftBytes: 100,
  event: 'none',
  wanted: 50,
  transport: 'plain',
  ...changes,
});

const idsOf = (result: AnnounceResult) =>
  result === 'full' ? [] : result.peers.map(({ peerId }) => peerId.trimEnd());

test('a peer is told of the others and never of itself', () => {
  const swarms = table();
  for (let index = 0; index < 5; index++) swarms.announce(peer(index), 0);
  const told = idsOf(swarms.announce(peer(2), 1));
  expect(told.sort()).toEqual(['peer 0', 'peer 1', 'peer 3', 'peer 4']);
});

test('a peer is not told of itself by its other address', () => {
  const swarms = table();
  const address = packAddress('2001:db8::1') ?? '';
  swarms.announce(peer(1), 0);
  swarms.announce(peer(2), 0);
  expect(idsOf(swarms.announce(peer(1, { address, wanted: 1 }), 0))).toEqual(['peer 2']);
});

test('who starts with nothing left is told of seeds too, on the plain transport alone', () => {
  const swarms = table();
  for (const transport of ['plain', 'sealed'] as const) {
    const whole = { leftBytes: 0, transport };
    swarms.announce(peer(transport === 'plain' ? 1 : 2, whole), 0);
    const told = swarms.announce(peer(3, { ...whole, event: 'started' }), 0);
    expect(idsOf(told)).toEqual(transport === 'plain' ? ['peer 1'] : []);
    expect(idsOf(swarms.announce(peer(3, whole), 0))).toEqual([]);
  }
});

test('a seed is told of downloaders only, a downloader of both', () => {
  const swarms = table();
  for (let index = 0; index < 4; index++) {
    swarms.announce(peer(index, { leftBytes: index < 2 ? 0 : 1 }), 0);
  }
  expect(idsOf(swarms.announce(peer(0, { leftBytes: 0 }), 0)).sort()).toEqual(['peer 2', 'peer 3']);
  expect(idsOf(swarms.announce(peer(2), 0)).sort()).toEqual(['peer 0', 'peer 1', 'peer 3']);
});

test('sealed and plain peers are not told of each other, and are counted together', () => {
  const swarms = table();
  for (let index = 0; index < 6; index++) {
    const transport = index % 2 === 0 ? 'sealed' : 'plain';
    swarms.announce(peer(index, { transport, leftBytes: index < 2 ? 0 : 1 }), 0);
  }
  const sealed = swarms.announce(peer(4, { transport: 'sealed' }), 0);
  const plain = swarms.announce(peer(5), 0);
  expect(idsOf(sealed).sort()).toEqual(['peer 0', 'peer 2']);
  expect(idsOf(plain).sort()).toEqual(['peer 1', 'peer 3']);
  expect(sealed).toMatchObject({ seeds: 2, downloaders: 4 });
  expect(swarms.totals(0)).toEqual({ swarms: 1, seeds: 2, downloaders: 4 });
  const listed = swarms.peers(infoHash(0), 10, 0).map(({ transport }) => transport);
  expect(listed).toEqual(['sealed', 'plain', 'sealed', 'plain', 'sealed', 'plain']);
});

test('a peer that announces another transport is known by that alone', () => {
  const swarms = table();
  swarms.announce(peer(1, { transport: 'sealed' }), 0);
  swarms.announce(peer(1), 1);
  expect(idsOf(swarms.announce(peer(2, { transport: 'sealed' }), 1))).toEqual([]);
  expect(idsOf(swarms.announce(peer(3), 1))).toEqual(['peer 1']);
  expect(swarms.counts(infoHash(0), 1)?.downloaders).toBe(3);
});

test('an announce of another from the same address and port takes its place', () => {
  const swarms = table();
  swarms.announce(peer(1), 0);
  swarms.announce(peer(1, { peerId: 'started again'.padEnd(20), leftBytes: 0 }), 1);
  expect(swarms.counts(infoHash(0), 1)).toEqual({ seeds: 1, downloaders: 0, completed: 0 });
  swarms.announce(peer(1, { event: 'stopped' }), 2);
  expect(swarms.counts(infoHash(0), 2)?.seeds).toBe(1);
});

test('completed is counted once for a peer, and only when nothing is left', () => {
  const swarms = table();
  swarms.announce(peer(1, { event: 'completed' }), 0);
  expect(swarms.counts(infoHash(0), 0)?.completed).toBe(0);
  for (let time = 1; time < 4; time++) {
    swarms.announce(peer(1, { event: 'completed', leftBytes: 0 }), time);
  }
  expect(swarms.counts(infoHash(0), 4)?.completed).toBe(1);
});

test('a peer is forgotten when it was silent for longer than the expiry, not before', () => {
  const swarms = table();
  swarms.announce(peer(1), 0);
  swarms.announce(peer(2), 10);
  expect(swarms.counts(infoHash(0), peerExpiryMs)?.downloaders).toBe(2);
  expect(swarms.counts(infoHash(0), peerExpiryMs + 1)?.downloaders).toBe(1);
  expect(swarms.counts(infoHash(0), peerExpiryMs + 11)).toBeUndefined();
  expect(swarms.totals(peerExpiryMs + 11)).toEqual({ swarms: 0, seeds: 0, downloaders: 0 });
});

test('each peer expires by what it was told, whatever others were told before or after', () => {
  const swarms = table();
  swarms.announce(peer(1), 0, 120_000);
  swarms.announce(peer(2), 0, 10_000);
  swarms.announce(peer(3), 1, 60_000);
  const left = (nowMs: number) => swarms.counts(infoHash(0), nowMs)?.downloaders ?? 0;
  expect(left(30_000)).toBe(3);
  expect(left(30_001)).toBe(2);
  expect(left(130_001)).toBe(2);
  expect(left(130_002)).toBe(1);
  const again = swarms.announce(peer(1), 200_000, 10_000);
  expect(again).toMatchObject({ toldMs: 120_000 });
  expect(left(230_000)).toBe(1);
  expect(left(230_001)).toBe(0);
});

test('who can be told of one kind of address alone is told of no other', () => {
  const swarms = table();
  const ipv6 = (index: number) => packAddress(`2001:db8::${index}`) ?? '';
  for (let index = 1; index < 9; index++) swarms.announce(peer(index, { address: ipv6(index) }), 0);
  swarms.announce(peer(20), 0);
  expect(idsOf(swarms.announce(peer(21, { sameFamily: true }), 0))).toEqual(['peer 20']);
  const other = { address: ipv6(10), sameFamily: true, wanted: 3 };
  const told = swarms.announce(peer(10, other), 0);
  expect(told === 'full' ? [] : told.peers.map(({ endpoint }) => endpoint.length)).toEqual([
    18, 18, 18,
  ]);
});

test('a clock that is set back neither brings a peer back nor keeps it', () => {
  const swarms = table();
  swarms.announce(peer(1), 1_000);
  swarms.announce(peer(2), 0);
  expect(swarms.totals(peerExpiryMs + 1_001).downloaders).toBe(0);
});

test('a new peer or swarm that there is no room for is refused, a known peer is not', () => {
  const swarms = table({ maxPeers: 2, maxSwarms: 1 });
  swarms.announce(peer(1), 0);
  expect(swarms.announce(peer(2, { infoHash: infoHash(1) }), 0)).toBe('full');
  swarms.announce(peer(2), 0);
  expect(swarms.announce(peer(3), 0)).toBe('full');
  expect(swarms.announce(peer(1, { leftBytes: 0 }), 1)).not.toBe('full');
  expect(swarms.announce(peer(3, { event: 'stopped' }), 1)).not.toBe('full');
  swarms.announce(peer(2, { event: 'stopped' }), 2);
  expect(swarms.announce(peer(3), 3)).not.toBe('full');
});

test('the same random numbers choose the same peers', () => {
  const run = () => {
    const swarms = table();
    for (let index = 0; index < 100; index++) swarms.announce(peer(index), 0);
    return idsOf(swarms.announce(peer(0, { wanted: 10 }), 1));
  };
  expect(run()).toEqual(run());
  expect(run()).toHaveLength(10);
});

interface Known {
  readonly swarm: number;
  readonly index: number;
  readonly leftBytes: number;
  readonly transport: Transport;
  readonly atMs: number;
}

/** The table as one would write it if nothing had to be fast. */
class NaiveTable {
  known: Known[] = [];

  announce(announcement: Omit<Known, 'atMs'> & { stopped: boolean }, nowMs: number): void {
    const { swarm, index, leftBytes, transport, stopped } = announcement;
    this.expire(nowMs);
    this.known = this.known.filter((one) => one.swarm !== swarm || one.index !== index);
    if (!stopped) this.known.push({ swarm, index, leftBytes, transport, atMs: nowMs });
  }

  expire(nowMs: number): void {
    this.known = this.known.filter(({ atMs }) => nowMs - atMs <= peerExpiryMs);
  }

  in(swarm: number): Known[] {
    return this.known.filter((one) => one.swarm === swarm);
  }
}

const step = fc.record({
  swarm: fc.nat(3),
  index: fc.nat(15),
  leftBytes: fc.constantFrom(0, 0, 1, 1_000),
  transport: fc.constantFrom('sealed', 'plain'),
  stopped: fc.boolean(),
  wanted: fc.nat(20),
  afterMs: fc.oneof(fc.nat(1_000), fc.nat(60_000)),
});

test('counts and peers are those of a naive table, whatever is announced and when', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const swarms = table();
      const naive = new NaiveTable();
      let nowMs = 0;
      for (const { swarm, index, leftBytes, transport, stopped, wanted, afterMs } of steps) {
        nowMs += afterMs;
        naive.announce({ swarm, index, leftBytes, transport, stopped }, nowMs);
        const event = stopped ? 'stopped' : 'none';
        const changes = { infoHash: infoHash(swarm), leftBytes, transport, event, wanted } as const;
        const result = swarms.announce(peer(index, changes), nowMs);
        const members = naive.in(swarm);
        const seeds = members.filter((one) => one.leftBytes === 0).length;
        expect(result).toMatchObject({ seeds, downloaders: members.length - seeds });

        const told = idsOf(result);
        const others = members
          .filter((one) => one.index !== index && one.transport === transport)
          .filter((one) => leftBytes > 0 || one.leftBytes > 0)
          .map((one) => `peer ${one.index}`);
        expect(told).toHaveLength(stopped ? 0 : Math.min(wanted, others.length));
        expect(new Set(told).size).toBe(told.length);
        for (const id of told) expect(others).toContain(id);

        const allSeeds = naive.known.filter((one) => one.leftBytes === 0).length;
        expect(swarms.totals(nowMs)).toEqual({
          swarms: new Set(naive.known.map((one) => one.swarm)).size,
          seeds: allSeeds,
          downloaders: naive.known.length - allSeeds,
        });
        const listed = swarms.peers(infoHash(swarm), 1_000, nowMs).map((one) => one.lastSeenMs);
        expect(listed.sort()).toEqual(members.map((one) => one.atMs).sort());
      }
      naive.expire(nowMs + 50_000);
      const summary = swarms.swarms(10, nowMs + 50_000).map((one) => one.infoHash);
      const expected = new Set(naive.known.map((one) => infoHash(one.swarm)));
      expect(new Set(summary)).toEqual(expected);
    }),
    { numRuns: 200 },
  );
});
