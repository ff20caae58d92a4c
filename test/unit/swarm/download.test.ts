import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PeerError, StorageError } from '../../../src/errors.ts';
import { Bitfield } from '../../../src/policy/index.ts';
import type { DataCommand } from '../../../src/swarm/data/data-protocol.ts';
import { Download } from '../../../src/swarm/download.ts';
import type { IncomingImage } from '../../../src/swarm/incoming-image.ts';
import { Peer } from '../../../src/swarm/peer.ts';
import { PieceBudget } from '../../../src/swarm/piece-budget.ts';
import { seededRandom } from '../../tools/seeded-random.ts';

const pieceSizeBytes = 1 << 18;

class CountingBudget extends PieceBudget {
  used = 0;

  override take(bytes: number): void {
    this.used += bytes;
    super.take(bytes);
  }

  override give(bytes: number): void {
    this.used -= bytes;
    super.give(bytes);
  }
}

/** What a download needs of an image: its last piece is short. */
function fakeIncoming(pieceCount: number) {
  const have = new Bitfield(pieceCount);
  const sizeBytes = (piece: number) => (piece === pieceCount - 1 ? 1_000 : pieceSizeBytes);
  return {
    have,
    sizeBytes,
    incoming: {
      have,
      pieces: { sizeBytes },
      metainfo: { info: { pieceSizeBytes, pieceCount } },
      note: (piece: number) => have.add(piece),
    } as unknown as IncomingImage,
  };
}

/** A peer, and what its data plane was asked for and has not brought. */
interface FakePeer {
  readonly peer: Peer;
  readonly asked: Set<number>;
}

/** A download, peers that do as they are told, and what must hold at every moment. */
class World {
  readonly pieceCount: number;
  readonly limitBytes: number;
  readonly budget: CountingBudget;
  readonly image: ReturnType<typeof fakeIncoming>;
  readonly download: Download;
  readonly peers: FakePeer[] = [];
  /** Verified pieces that the disk did not take. */
  readonly unwritten = new Set<number>();
  /** Pieces that are being written, by the link they came by, though its peer is gone. */
  readonly writing: { piece: number; link: number }[] = [];
  readonly told: number[] = [];
  readonly liars: string[] = [];
  completions = 0;
  retries = 0;
  nowMs = 0;
  #link = 0;

  constructor(init: { pieceCount: number; limitPieces: number; seed: number }) {
    this.pieceCount = init.pieceCount;
    this.limitBytes = init.limitPieces * pieceSizeBytes;
    this.budget = new CountingBudget({ limitBytes: this.limitBytes });
    this.image = fakeIncoming(init.pieceCount);
    this.download = new Download(
      {
        incoming: this.image.incoming,
        budget: this.budget,
        random: seededRandom(init.seed),
        now: () => this.nowMs,
      },
      {
        onPiece: (piece) => this.told.push(piece),
        onLiar: (peerId, error) => {
          this.liars.push(peerId);
          this.peers.find(({ peer }) => peer.id === peerId)?.peer.close(error);
        },
        onPaused: () => undefined,
        onResumed: () => undefined,
        onRetry: () => (this.retries += 1),
        onComplete: () => (this.completions += 1),
      },
    );
  }

  add(pieces: readonly number[], init: { choked?: boolean; windowBytes?: number } = {}): FakePeer {
    const link = ++this.#link;
    const asked = new Set<number>();
    const peer: Peer = new Peer(
      { lane: { post: (command) => this.#hear(fake, command) }, now: () => this.nowMs },
      {
        link,
        address: `10.0.0.1:${link}`,
        outgoing: true,
        onHandshake: () => undefined,
        onClosed: () => undefined,
      },
    );
    const fake: FakePeer = { peer, asked };
    peer.listener = {
      onMessage: () => undefined,
      onUntrue: () => undefined,
      onReturned: () => undefined,
      onTally: () => undefined,
      onSettled: () => undefined,
      onClose: () => {
        this.peers.splice(this.peers.indexOf(fake), 1);
        asked.clear();
        this.download.removePeer(peer);
      },
    };
    peer.resolvePieces(this.pieceCount);
    for (const piece of pieces) peer.pieces?.add(piece);
    peer.chokedByThem = init.choked ?? false;
    peer.tally = { ...peer.tally, windowBytes: init.windowBytes ?? pieceSizeBytes };
    this.peers.push(fake);
    this.download.addPeer(peer);
    this.download.fill(peer);
    return fake;
  }

  #hear(fake: FakePeer, command: DataCommand): void {
    if (command.type === 'unwant') {
      for (const piece of command.pieces) fake.asked.delete(piece);
      return;
    }
    if (command.type !== 'want') return;
    expect(this.download.paused).toBe(false);
    expect(fake.peer.chokedByThem).toBe(false);
    for (const piece of command.pieces) {
      expect(fake.peer.pieces?.has(piece)).toBe(true);
      expect(fake.asked.has(piece)).toBe(false);
      expect(this.image.have.has(piece)).toBe(false);
      expect(this.unwritten.has(piece)).toBe(false);
    }
    const doubled = command.pieces.filter((piece) => this.ownersOf(piece) > 0);
    for (const piece of command.pieces) fake.asked.add(piece);
    for (const piece of doubled) {
      expect(this.ownersOf(piece)).toBeLessThanOrEqual(3);
      // Only in the end game: it has nothing that nobody else was asked for.
      expect(this.#freeFor(fake)).toEqual([]);
    }
  }

  #freeFor(fake: FakePeer): number[] {
    return [...(fake.peer.pieces ?? [])].filter(
      (piece) =>
        !this.image.have.has(piece) && !this.unwritten.has(piece) && this.ownersOf(piece) === 0,
    );
  }

  ownersOf(piece: number): number {
    return this.peers.filter(({ asked }) => asked.has(piece)).length;
  }

  /** What is asked for or waits for the disk is counted once, and is never more than allowed. */
  check(): void {
    const outstanding = new Set(this.unwritten);
    for (const { asked } of this.peers) for (const piece of asked) outstanding.add(piece);
    const bytes = [...outstanding].reduce((sum, piece) => sum + this.image.sizeBytes(piece), 0);
    expect(this.budget.used).toBe(bytes);
    // One piece may always be asked for, so that a small budget stops nobody.
    expect(bytes).toBeLessThanOrEqual(Math.max(pieceSizeBytes, this.limitBytes));
    expect(new Set(this.told).size).toBe(this.told.length);
    expect(this.told.length).toBe(this.image.have.count);
  }

  /** A piece comes, is verified and written. */
  deliver(fake: FakePeer, at: number): void {
    const piece = pickFrom(fake.asked, at);
    if (piece === undefined) return;
    fake.asked.delete(piece);
    this.#verified(piece, fake.peer.link);
  }

  #verified(piece: number, link: number): void {
    this.unwritten.delete(piece);
    this.download.onVerified([piece], link);
  }

  failToWrite(fake: FakePeer, at: number): void {
    const piece = pickFrom(fake.asked, at);
    if (piece === undefined) return;
    fake.asked.delete(piece);
    this.unwritten.add(piece);
    // The others who were asked for it are still sending it, and nobody counts on them.
    for (const { asked } of this.peers) asked.delete(piece);
    this.download.onUnwritten(piece, new StorageError('STORAGE_NO_SPACE', 'no space is left'));
  }

  /** The peer goes while a piece of it is being written. */
  vanish(fake: FakePeer, at: number): void {
    const piece = pickFrom(fake.asked, at);
    if (piece !== undefined) this.writing.push({ piece, link: fake.peer.link });
    fake.peer.close();
  }

  finishWriting(): void {
    for (const { piece, link } of this.writing.splice(0)) this.#verified(piece, link);
  }

  giveBack(fake: FakePeer, at: number, why: 'rejected' | 'choked'): void {
    const piece = pickFrom(fake.asked, at);
    if (piece === undefined) return;
    const pieces = why === 'choked' ? [...fake.asked] : [piece];
    for (const one of pieces) fake.asked.delete(one);
    if (why === 'choked') fake.peer.chokedByThem = true;
    this.download.onReturned(fake.peer, pieces, why);
    expect(fake.asked.has(piece)).toBe(false);
  }

  lie(fake: FakePeer, at: number): void {
    const piece = pickFrom(fake.asked, at);
    if (piece === undefined) return;
    fake.asked.delete(piece);
    this.download.onUntrue(fake.peer, piece);
    expect(this.liars.at(-1)).toBe(fake.peer.id);
  }

  unchoke(fake: FakePeer): void {
    fake.peer.chokedByThem = false;
    this.download.fill(fake.peer);
  }

  retry(): void {
    for (const piece of [...this.unwritten]) this.#verified(piece, 0);
  }

  /** A seed comes, and everything that is under way is done. */
  finish(): void {
    this.finishWriting();
    this.retry();
    for (const fake of [...this.peers]) fake.peer.close();
    const seed = this.add(Array.from({ length: this.pieceCount }, (_, piece) => piece));
    for (let step = 0; !this.image.have.isFull && step < 2 * this.pieceCount; step++) {
      this.deliver(seed, step);
      this.check();
    }
    expect(this.image.have.isFull).toBe(true);
    expect(this.completions).toBe(1);
    expect(this.budget.used).toBe(0);
  }
}

const pickFrom = (set: ReadonlySet<number>, at: number): number | undefined =>
  [...set][at % set.size];

const pieceCount = 24;
const some = fc.uniqueArray(fc.nat(pieceCount - 1));
const anyStep = fc.record({
  what: fc.constantFrom(
    ...([
      'deliver',
      'deliver',
      'deliver',
      'deliver',
      'reject',
      'choke',
      'unchoke',
      'unchoke',
    ] as const),
    ...(['lie', 'vanish', 'leave', 'come', 'come', 'have', 'full', 'retry', 'written'] as const),
    ...(['again', 'tick', 'later', 'renew'] as const),
  ),
  peer: fc.nat(),
  at: fc.nat(),
  pieces: some,
});

function take(world: World, step: typeof anyStep extends fc.Arbitrary<infer Step> ? Step : never) {
  const { at, what, pieces } = step;
  if (what === 'come') {
    world.add(pieces, { windowBytes: (at % 8) * pieceSizeBytes });
    return;
  }
  if (what === 'retry') world.retry();
  else if (what === 'written') world.finishWriting();
  else if (what === 'tick') world.download.tick();
  else if (what === 'later') world.nowMs += at % 30_000;
  else if (what === 'again') {
    const known = world.told[at % world.told.length];
    if (known !== undefined) world.download.onVerified([known], 0);
  }
  const fake = world.peers[step.peer % world.peers.length];
  if (fake === undefined) return;
  if (what === 'deliver') world.deliver(fake, at);
  else if (what === 'reject') world.giveBack(fake, at, 'rejected');
  else if (what === 'choke') world.giveBack(fake, at, 'choked');
  else if (what === 'unchoke') world.unchoke(fake);
  else if (what === 'lie') world.lie(fake, at);
  else if (what === 'vanish') world.vanish(fake, at);
  else if (what === 'leave') fake.peer.close();
  else if (what === 'full') world.failToWrite(fake, at);
  else if (what === 'have') {
    const piece = at % world.pieceCount;
    if (fake.peer.pieces?.add(piece) === true) world.download.onHave(fake.peer, piece);
  } else if (what === 'renew') {
    world.download.changePeer(fake.peer, () => {
      for (const piece of pieces) fake.peer.pieces?.add(piece);
    });
  }
}

test('whatever happens, all pieces are verified once, and never more is asked for than may be', () => {
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 120 }),
      fc.integer({ min: 0, max: 12 }),
      fc.integer(),
      (steps, limitPieces, seed) => {
        const world = new World({ pieceCount, limitPieces, seed });
        for (const step of steps) {
          if (world.image.have.isFull) break;
          take(world, step);
          world.check();
        }
        if (!world.image.have.isFull) world.finish();
        expect(world.completions).toBe(1);
      },
    ),
    { numRuns: 300 },
  );
});

const all = Array.from({ length: pieceCount }, (_, piece) => piece);
const roomy = { pieceCount, limitPieces: 1_000, seed: 1 };

test('who is asked for a piece that came from a peer that is gone need not send it', () => {
  const world = new World(roomy);
  const gone = world.add([7]);
  world.vanish(gone, 0);
  const asked = world.add([7]);
  expect([...asked.asked]).toEqual([7]);
  world.finishWriting();
  expect([...asked.asked]).toEqual([]);
  world.check();
});

test('a piece is asked of one peer while there are others to ask for', () => {
  const world = new World(roomy);
  const peers = [1, 2, 3].map(() => world.add(all, { windowBytes: 2 * pieceSizeBytes }));
  const asked = peers.flatMap((fake) => [...fake.asked]);
  expect(asked.length).toBeGreaterThan(6);
  expect(new Set(asked).size).toBe(asked.length);
});

describe('a piece that is given back', () => {
  test('is asked of another peer, and of who rejected it not again', () => {
    const world = new World({ ...roomy, pieceCount: 2 });
    const [one, other] = [world.add([0]), world.add([0, 1])];
    expect([...one.asked]).toEqual([0]);
    world.giveBack(one, 0, 'rejected');
    expect([...other.asked].sort()).toEqual([0, 1]);
    other.peer.close();
    world.download.fillAll();
    expect([...one.asked]).toEqual([]);
  });

  test('because of a choke is asked of the same peer again when it answers again', () => {
    const world = new World({ ...roomy, pieceCount: 1 });
    const one = world.add([0]);
    world.giveBack(one, 0, 'choked');
    world.download.fillAll();
    expect([...one.asked]).toEqual([]);
    world.unchoke(one);
    expect([...one.asked]).toEqual([0]);
  });
});

test('at the end a piece that a silent peer owes is asked of another, and taken back from the first', () => {
  const world = new World({ ...roomy, pieceCount: 1 });
  const one = world.add([0]);
  const other = world.add([0]);
  expect([...other.asked]).toEqual([]);
  world.nowMs = 1_500;
  world.download.tick();
  expect([...other.asked]).toEqual([0]);
  world.deliver(other, 0);
  expect([...one.asked]).toEqual([]);
  expect(world.completions).toBe(1);
});

test('who has sent pieces quickly and stops is let go soon, unless we stood still ourselves', () => {
  const world = new World(roomy);
  const fast = world.add(all);
  fast.peer.tally = { ...fast.peer.tally, rateBytesPerSecond: 1e9 };
  world.nowMs = 1_000;
  world.download.tick();
  world.nowMs = 9_000;
  world.download.tick();
  expect(fast.peer.closed).toBe(false);
  for (const nowMs of [10_000, 11_000, 12_000]) {
    world.nowMs = nowMs;
    world.download.tick();
  }
  expect(fast.peer.closed).toBe(true);
});

test('who owes pieces and sends nothing for long is let go, and others are asked', () => {
  const world = new World(roomy);
  const silent = world.add(all);
  world.nowMs = 20_001;
  world.download.tick();
  expect(silent.peer.closed).toBe(true);
  const other = world.add(all);
  expect(other.asked.size).toBeGreaterThan(0);
  world.check();
});

test('while the disk is full nothing is asked for, and what was verified never again', () => {
  const world = new World(roomy);
  const one = world.add(all, { windowBytes: 4 * pieceSizeBytes });
  world.failToWrite(one, 0);
  const [unwritten] = world.unwritten;
  const before = one.asked.size;
  world.deliver(one, 0);
  expect(one.asked.size).toBe(before - 1);
  world.nowMs = 2_500;
  world.download.tick();
  expect(world.retries).toBe(1);
  world.retry();
  expect(world.download.paused).toBe(false);
  expect(one.asked.size).toBeGreaterThanOrEqual(before);
  expect(one.asked.has(unwritten ?? -1)).toBe(false);
});

test('a download that is closed gives back what it had reserved, once, whatever comes later', () => {
  const world = new World(roomy);
  const one = world.add(all, { windowBytes: 4 * pieceSizeBytes });
  world.failToWrite(one, 0);
  const late = [...one.asked][0] ?? -1;
  world.download.close();
  expect(world.budget.used).toBe(0);
  world.retry();
  world.download.onVerified([late], one.peer.link);
  one.peer.close();
  expect(world.budget.used).toBe(0);
});

test('a peer that tells of pieces which can not be leaves the rarity of pieces as it was', () => {
  const world = new World({ ...roomy, pieceCount: 2 });
  for (let liar = 0; liar < 2; liar++) {
    const { peer } = world.add([0], { choked: true });
    expect(() => {
      world.download.changePeer(peer, () => {
        throw new PeerError('PEER_PROTOCOL', 'it names pieces that the image has not');
      });
    }).toThrow(PeerError);
    peer.close();
  }
  for (let other = 0; other < 2; other++) world.add([1], { choked: true });
  const one = world.add([0, 1], { windowBytes: 4 * pieceSizeBytes });
  expect([...one.asked]).toEqual([0, 1]);
});
