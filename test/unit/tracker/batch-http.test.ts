import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { decodeBencode, type BencodeDictionary } from '../../../src/image/index.ts';
import {
  announcesPath,
  type AnnounceBatch,
  type AnnounceBatchAnswer,
  type SwarmAnswer,
  type SwarmClaim,
} from '../../../src/swarm/index.ts';
import type { Tracker } from '../../../tracker/index.ts';
import { announceUrl } from './announce-url.ts';
import { runNewTracker } from './running-tracker.ts';
import { seededRandom } from './seeded-random.ts';

const hashOf = (name: number): string => name.toString(16).padStart(40, '0');

const claimOf = (changes: Partial<SwarmClaim> = {}): SwarmClaim => ({
  infoHash: hashOf(1),
  leftBytes: 5,
  ...changes,
});

/** What host `number` says: by its port it is told apart. */
const batchOf = (number: number, changes: Partial<AnnounceBatch> = {}): AnnounceBatch => ({
  peerId: hashOf(number),
  port: 1_000 + number,
  sealed: true,
  zone: '',
  rack: '',
  swarms: [claimOf()],
  ...changes,
});

const post = (tracker: Tracker, body: unknown) =>
  fetch(tracker.url + announcesPath, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

async function announce(tracker: Tracker, batch: AnnounceBatch): Promise<AnnounceBatchAnswer> {
  const response = await post(tracker, batch);
  expect(response.status).toBe(200);
  return (await response.json()) as AnnounceBatchAnswer;
}

/** The answer for the only swarm of a batch. */
async function announceOne(tracker: Tracker, batch: AnnounceBatch): Promise<SwarmAnswer> {
  const [swarm] = (await announce(tracker, batch)).swarms;
  if (swarm === undefined || 'refused' in swarm) throw new Error('it was refused');
  return swarm;
}

const runTracker = (init: Parameters<typeof runNewTracker>[0] = {}) =>
  runNewTracker({ udp: false, ...init }, { random: seededRandom(1) });

const hostsIn = ({ peers }: SwarmAnswer): number[] => peers.map(({ port }) => port - 1_000);

async function totals(tracker: Tracker): Promise<{ swarms: number }> {
  const token = (await readFile(tracker.tokenPath, 'utf8')).trim();
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${tracker.url}/v1/swarms`, { headers });
  const { total } = (await response.json()) as { total: number };
  return { swarms: total };
}

const sources = { rack: 0, zone: 0, fleet: 0, origin: 0, reused: 0 };
const progress = { state: 'x', pieces: 1, verifiedPieces: 0, receivedBytesPerSecond: 0, sources };

const unusable: [string, unknown][] = [
  ['nothing', undefined],
  ['no object', [batchOf(1)]],
  ['an unknown field', { ...batchOf(1), secret: 1 }],
  ['an unknown field of a swarm', batchOf(1, { swarms: [{ ...claimOf(), x: 1 } as SwarmClaim] })],
  ['no swarm', batchOf(1, { swarms: [] })],
  [
    'too many swarms',
    batchOf(1, {
      swarms: Array.from({ length: 501 }, (_, name) => claimOf({ infoHash: hashOf(name) })),
    }),
  ],
  ['a short info-hash', batchOf(1, { swarms: [claimOf({ infoHash: 'ab' })] })],
  ['an info-hash in capitals', batchOf(1, { swarms: [claimOf({ infoHash: 'AB'.repeat(20) })] })],
  ['one bad swarm of two', batchOf(1, { swarms: [claimOf(), claimOf({ leftBytes: -1 })] })],
  ['a peer id that is too long', batchOf(1, { peerId: '0'.repeat(42) })],
  ['port 0', batchOf(1, { port: 0 })],
  ['a zone with a line feed', batchOf(1, { zone: 'z\nr' })],
  ['a rack that is too long', batchOf(1, { rack: 'r'.repeat(65) })],
  ['a host name with a space', batchOf(1, { host: 'a b' })],
  [
    'progress that goes backward',
    batchOf(1, { swarms: [claimOf({ progress: { ...progress, verifiedPieces: -1 } })] }),
  ],
];

test.each(unusable)('%s is refused, and nothing has changed', async (_, body) => {
  const { tracker } = await runTracker();
  const response = await post(tracker, body);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'REQUEST_INVALID' });
  expect(await totals(tracker)).toEqual({ swarms: 0 });
});

interface Standing {
  readonly rack: string;
  readonly answer: SwarmAnswer;
}

/** What each host is told when all are there, by its number. */
async function announceRacks(
  tracker: Tracker,
  racks: readonly string[],
  hostsPerRack: number,
): Promise<Map<number, Standing>> {
  const batches = racks.flatMap((rack, at) =>
    Array.from({ length: hostsPerRack }, (_, index) =>
      batchOf(1 + at * hostsPerRack + index, { rack, zone: 'z' }),
    ),
  );
  for (const batch of batches) await announce(tracker, batch);
  const hosts = new Map<number, Standing>();
  for (const [index, batch] of batches.entries()) {
    hosts.set(index + 1, { rack: batch.rack, answer: await announceOne(tracker, batch) });
  }
  return hosts;
}

test('hosts of a rack are told of each other, and only its gateways of other racks', async () => {
  const { tracker } = await runTracker();
  const hosts = await announceRacks(tracker, ['r1', 'r2', 'r3'], 10);
  for (const [number, { rack, answer }] of hosts) {
    const ties = hostsIn(answer);
    expect(ties).not.toContain(number);
    expect(new Set(ties).size).toBe(ties.length);
    for (const other of ties) {
      const tied = hosts.get(other);
      // A tie is one on both sides.
      expect(tied && hostsIn(tied.answer)).toContain(number);
      if (tied?.rack === rack) continue;
      expect(answer.slots[0]).not.toBeNull();
      expect(tied?.answer.slots[0]).not.toBeNull();
    }
    expect(ties.some((other) => hosts.get(other)?.rack === rack)).toBe(true);
  }
  for (const rack of ['r1', 'r2', 'r3']) {
    const inRack = [...hosts.values()].filter((host) => host.rack === rack);
    const slots = inRack.map(({ answer }) => answer.slots[0]).filter((slot) => slot !== null);
    expect(slots.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
  }
});

test('a host that is elsewhere now is told of those there', async () => {
  const { tracker } = await runTracker();
  await announceRacks(tracker, ['r1', 'r2'], 10);
  const moved = await announceOne(tracker, batchOf(10, { rack: 'r2', zone: 'z' }));
  const near = hostsIn(moved).filter((number) => number > 10);
  expect(near.length).toBeGreaterThan(0);
  // The gateways of its new rack are there before it, so it has no slot, and none of r1.
  expect(moved.slots).toEqual([null, null]);
  expect(near).toEqual(hostsIn(moved));
});

test('a seed that joins last is told of hosts, and those of it, that it is whole', async () => {
  const { tracker } = await runTracker();
  for (let number = 1; number <= 8; number++) await announce(tracker, batchOf(number));
  const seed = batchOf(9, { swarms: [claimOf({ leftBytes: 0 })] });
  const answer = await announceOne(tracker, seed);
  expect(answer).toMatchObject({ seeds: 1, downloaders: 8 });
  expect(hostsIn(answer).length).toBeGreaterThan(1);
  for (const { port, isWhole } of answer.peers) {
    expect(isWhole).toBe(false);
    const host = await announceOne(tracker, batchOf(port - 1_000));
    expect(host.peers).toContainEqual({ host: '127.0.0.1', port: 1_009, isWhole: true });
  }
});

test('who has fetched all keeps its ties and its slot, and is whole to others', async () => {
  const { tracker } = await runTracker();
  await announce(tracker, batchOf(1));
  const before = await announceOne(tracker, batchOf(2));
  const whole = [claimOf({ leftBytes: 0, event: 'completed' })];
  const after = await announceOne(tracker, batchOf(2, { swarms: whole }));
  expect([after.peers, after.slots]).toEqual([before.peers, before.slots]);
  const [peer] = (await announceOne(tracker, batchOf(1))).peers;
  expect(peer).toEqual({ host: '127.0.0.1', port: 1_002, isWhole: true });
});

test.each([true, false])(
  'a host that misses ties is told of as many others, and of no more (sealed: %s)',
  async (sealed) => {
    const { tracker } = await runTracker();
    for (let number = 1; number <= 40; number++)
      await announce(tracker, batchOf(number, { sealed }));
    const before = await announceOne(tracker, batchOf(20, { sealed }));
    const swarms = [claimOf({ missing: 3 })];
    const { spares = [], ...after } = await announceOne(tracker, batchOf(20, { sealed, swarms }));
    expect(after).toEqual(before);
    const ports = spares.map(({ port }) => port - 1_000);
    expect(new Set(ports).size).toBe(3);
    for (const known of [20, ...hostsIn(before)]) expect(ports).not.toContain(known);
  },
);

test('sealed and plain hosts are kept apart, and ordinary clients know the plain ones', async () => {
  const { tracker } = await runTracker();
  const infoHash = Buffer.alloc(20, 'h').toString('hex');
  const swarms = [claimOf({ infoHash })];
  const told = async (number: number, sealed: boolean) =>
    hostsIn(await announceOne(tracker, batchOf(number, { sealed, swarms })));
  await told(1, true);
  await told(2, false);
  expect(await told(3, true)).toEqual([1]);
  expect(await told(4, false)).toEqual([2]);
  const response = await fetch(tracker.url + announceUrl({ port: '1005' }));
  const answer = decodeBencode(await response.bytes()) as BencodeDictionary;
  const peers = Buffer.from(answer.get('peers') as Uint8Array);
  const ports = [peers.readUInt16BE(4), peers.readUInt16BE(10)];
  expect([peers.length, ports.toSorted()]).toEqual([12, [1_002, 1_004]]);
  expect(await told(4, false)).toContain(5);
  expect(await told(3, true)).toEqual([1]);
});

test('a tracker that is full refuses one swarm and answers the others', async () => {
  const { tracker } = await runTracker({ maxSwarms: 1 });
  const swarms = [claimOf(), claimOf({ infoHash: hashOf(2) })];
  const answer = await announce(tracker, batchOf(1, { swarms }));
  expect(answer.swarms).toMatchObject([
    { infoHash: hashOf(1), downloaders: 1 },
    { infoHash: hashOf(2), refused: expect.stringMatching(/no room/) as string },
  ]);
  // The other one is the same as ever.
  expect(await totals(tracker)).toEqual({ swarms: 1 });
});

test('an image that is whole need not be announced as often as one that is fetched', async () => {
  const { tracker } = await runTracker();
  const swarms = [claimOf(), claimOf({ infoHash: hashOf(2), leftBytes: 0 })];
  const answer = await announce(tracker, batchOf(1, { swarms }));
  expect(answer.intervalMs).toBe(2_000);
  expect(answer.swarms).toMatchObject([{ intervalMs: 2_000 }, { intervalMs: 30_000 }]);
});

test('who says stopped is told of no more, in the swarms that it said it of', async () => {
  const { tracker } = await runTracker();
  const both = [claimOf(), claimOf({ infoHash: hashOf(2) })];
  await announce(tracker, batchOf(1, { swarms: both }));
  await announce(tracker, batchOf(1, { swarms: [claimOf({ event: 'stopped' })] }));
  const answer = await announce(tracker, batchOf(2, { swarms: both }));
  expect(answer.swarms).toMatchObject([{ peers: [] }, { peers: [{ port: 1_001 }] }]);
});

test('leases of the origin are asked for and given back in the same announces', async () => {
  const { tracker } = await runTracker({ originAskers: 1 });
  const ask = async (number: number, wanted: boolean) => {
    const origin = { wanted, sizeBytes: 1_000, takenBytes: 0 };
    const swarms = [claimOf({ origin })];
    return (await announceOne(tracker, batchOf(number, { swarms }))).origin;
  };
  expect(await ask(1, true)).toMatchObject({
    slot: 0,
    slots: [0],
    bytes: expect.any(Number) as number,
  });
  expect(await ask(2, true)).toHaveProperty('waitMs');
  expect(await ask(1, false)).toBeUndefined();
  expect(await ask(2, true)).toMatchObject({ slot: 0 });
});
