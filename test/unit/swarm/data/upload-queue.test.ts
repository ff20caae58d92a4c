import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../../src/errors.ts';
import {
  encodeMessage,
  requestQueueLimit,
  type BlockRange,
} from '../../../../src/swarm/message.ts';
import { BlockSource } from '../../../../src/swarm/data/block-source.ts';
import { SharedRate } from '../../../../src/swarm/data/shared-rate.ts';
import { UploadQueue } from '../../../../src/swarm/data/upload-queue.ts';
import { seededBytes } from '../../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';
import { writtenImage, type FlatImage } from './flat-image.ts';
import { socketPair, turns, untilSteady } from './socket-pair.ts';

const kib = 1 << 10;
const pieceSizeBytes = 1 << 20;

const makeImage = async (): Promise<FlatImage> =>
  await writtenImage({
    tree: await temporaryDirectory(),
    pieceSizeBytes,
    files: { large: seededBytes(1, 4 * pieceSizeBytes + 5_000), small: seededBytes(2, 30_000) },
  });

/** Notes what a run of the source was asked for. */
class NotingSource extends BlockSource {
  readonly runs: string[] = [];

  override read(...[image, run]: Parameters<BlockSource['read']>) {
    this.runs.push(`${run.piece}/${run.beginBytes}+${run.totalBytes}`);
    return super.read(image, run);
  }
}

async function openQueue(image: FlatImage, rateBytesPerSecond = Infinity) {
  const { near, far } = await socketPair();
  const source = new NotingSource({ limitBytes: 4 << 20 });
  const errors: Error[] = [];
  const queue = new UploadQueue(
    { socket: near, source, rate: new SharedRate(SharedRate.create(rateBytesPerSecond)) },
    { onError: (error) => errors.push(error) },
  );
  const push = (range: BlockRange) => {
    queue.push(image.open, range);
  };
  return { queue, push, near, far, source, errors };
}

/** What is to come over the wire for some requests. */
const wireOf = (image: FlatImage, ranges: readonly BlockRange[]): Buffer =>
  Buffer.concat(
    ranges.map(({ piece, beginBytes, lengthBytes }) => {
      const data = Buffer.alloc(lengthBytes);
      image
        .contentOf(piece)
        .subarray(beginBytes, beginBytes + lengthBytes)
        .copy(data);
      return encodeMessage({ type: 'piece', piece, beginBytes, data });
    }),
  );

/** Reads just so many bytes. */
async function take(socket: Socket, count: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  if (count === 0) return Buffer.alloc(0);
  return await new Promise((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      parts.push(chunk);
      length += chunk.length;
      if (length < count) return;
      socket.off('data', onData);
      socket.pause();
      resolve(Buffer.concat(parts));
    };
    socket.on('data', onData);
    socket.once('close', () => {
      reject(new Error('the connection was closed'));
    });
    socket.resume();
  });
}

const block = (piece: number, at: number, lengthBytes = 16 * kib): BlockRange => ({
  piece,
  beginBytes: at * 16 * kib,
  lengthBytes,
});

test('requests are answered in order, each once, whatever they are', async () => {
  const image = await makeImage();
  const range = fc.record({
    piece: fc.nat(image.layout.pieceCount - 1),
    beginBytes: fc.nat(40).map((at) => at * 16 * kib),
    lengthBytes: fc.constantFrom(1, 1_000, 16 * kib, 16 * kib, 16 * kib, 256 * kib),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 40 }), async (ranges) => {
      const { push, far, near, queue } = await openQueue(image);
      ranges.forEach(push);
      const wire = wireOf(image, ranges);
      expect((await take(far, wire.length)).equals(wire)).toBe(true);
      expect(queue.sentBytes).toBe(ranges.reduce((sum, one) => sum + one.lengthBytes, 0));
      near.destroy();
    }),
    { numRuns: 25 },
  );
});

test('requests that follow each other are read together, in runs of a bounded length', async () => {
  const image = await makeImage();
  const { push, far, source } = await openQueue(image);
  const ranges = [
    ...Array.from({ length: 20 }, (_, at) => block(0, at)),
    // One that is shorter ends a run, and one of another piece begins one.
    block(1, 0, 100),
    block(1, 1),
    block(2, 0),
    block(2, 2),
  ];
  ranges.forEach(push);
  await take(far, wireOf(image, ranges).length);
  expect(source.runs).toEqual([
    `0/0+${256 * kib}`,
    `0/${256 * kib}+${64 * kib}`,
    '1/0+100',
    `1/${16 * kib}+${16 * kib}`,
    `2/0+${16 * kib}`,
    `2/${32 * kib}+${16 * kib}`,
  ]);
});

describe('a request that is taken back', () => {
  test('is not answered while it waits, and can not be taken back twice', async () => {
    const image = await makeImage();
    const { queue, push, far } = await openQueue(image);
    const ranges = Array.from({ length: 10 }, (_, at) => block(0, at));
    ranges.forEach(push);
    expect(queue.cancel(block(0, 3))).toBe(true);
    expect(queue.cancel(block(0, 3))).toBe(false);
    expect(queue.cancel(block(0, 11))).toBe(false);
    const wire = wireOf(image, [...ranges.slice(0, 3), ...ranges.slice(4)]);
    expect((await take(far, wire.length)).equals(wire)).toBe(true);
    expect(queue.cancel(block(0, 4))).toBe(false);
  });

  test('as the last of them leaves the queue in order for those that come later', async () => {
    const image = await makeImage();
    const { queue, push, far } = await openQueue(image);
    // More than is sent ahead to a peer that does not read yet, so that the last ones wait.
    const ranges = [0, 1, 2, 3].flatMap((piece) =>
      Array.from({ length: 64 }, (_, at) => block(piece, at)),
    );
    const all = Array.from({ length: 7 }, () => ranges).flat();
    all.forEach(push);
    await untilSteady(() => queue.sentBytes);
    let sent = all.length;
    while (queue.cancel(all[sent - 1] ?? block(0, 0))) sent -= 1;
    const kept = all.slice(0, sent);
    const wire = wireOf(image, kept);
    expect((await take(far, wire.length)).equals(wire)).toBe(true);
    await turns(20);
    push(block(1, 5));
    const one = wireOf(image, [block(1, 5)]);
    expect((await take(far, one.length)).equals(one)).toBe(true);
  });
});

test('a peer that asks for more than may wait is refused', async () => {
  const image = await makeImage();
  const { push } = await openQueue(image);
  for (let count = 0; count < requestQueueLimit; count++) push(block(0, count % 64));
  expect(() => {
    push(block(0, 0));
  }).toThrow(PeerError);
});

test('for a peer that does not read, little is read from the disk and kept', async () => {
  const image = await makeImage();
  const { push, near, queue, source } = await openQueue(image);
  for (let count = 0; count < requestQueueLimit; count++) {
    push({ piece: count % 4, beginBytes: (count % 3) * 256 * kib, lengthBytes: 256 * kib });
  }
  await untilSteady(() => queue.sentBytes);
  // What the system takes for a connection, and what waits in the process.
  expect(near.writableLength).toBeLessThan(1 << 20);
  expect(source.readBytes).toBeLessThan(16 << 20);
});

test('over a rate that is low what was asked for comes all the same', async () => {
  const image = await makeImage();
  const { push, far, queue } = await openQueue(image, 4 << 20);
  const ranges = Array.from({ length: 40 }, (_, at) => block(0, at));
  ranges.forEach(push);
  const wire = wireOf(image, ranges);
  expect((await take(far, wire.length)).equals(wire)).toBe(true);
  queue.close();
});

test('a queue that is closed sends nothing more and leaves no timer', async () => {
  const image = await makeImage();
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const { push, queue, errors } = await openQueue(image, 1_000);
  push(block(0, 0));
  await turns(5);
  expect(timers()).toBe(before + 1);
  queue.close();
  expect(timers()).toBe(before);
  await turns(50);
  expect(queue.sentBytes).toBe(0);
  expect(errors).toEqual([]);
});

test('a disk that fails is told to who has the connection', async () => {
  const image = await writtenImage({
    tree: await temporaryDirectory(),
    pieceSizeBytes,
    files: { large: seededBytes(1, 100_000) },
  });
  image.open.tree = '/nowhere';
  const { push, errors } = await openQueue(image);
  push(block(0, 0));
  await turns(50);
  expect(errors).toMatchObject([{ code: 'STORAGE_FAILED' }]);
});
