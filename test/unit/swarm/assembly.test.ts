import { expect, test } from 'vitest';
import { blockBytes, sha256 } from '../../../src/image/index.ts';
import { Assembly } from '../../../src/swarm/assembly.ts';
import { SuspectBlocks } from '../../../src/swarm/suspect-blocks.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { unconnectedPeer } from './fake-peer.ts';

const sizeBytes = 3 * blockBytes + 100;
const data = seededBytes(1, sizeBytes);
const [ann, bob, eve] = ['ann', 'bob', 'eve'].map(unconnectedPeer) as [
  ReturnType<typeof unconnectedPeer>,
  ReturnType<typeof unconnectedPeer>,
  ReturnType<typeof unconnectedPeer>,
];

const assemble = () => new Assembly({ piece: 5, sizeBytes, exclusive: false });

const blockOf = (assembly: Assembly, block: number): Buffer => {
  const { beginBytes, lengthBytes } = assembly.rangeOf(block);
  return data.subarray(beginBytes, beginBytes + lengthBytes);
};

test('the blocks of a piece make it up, the last one short', () => {
  const assembly = assemble();
  expect(assembly.blockCount).toBe(4);
  expect(assembly.rangeOf(3)).toEqual({ piece: 5, beginBytes: 49_152, lengthBytes: 100 });
  for (const block of [2, 0, 3, 1]) {
    expect(assembly.isComplete).toBe(false);
    assembly.receive(block, ann, blockOf(assembly, block));
  }
  expect(assembly.isComplete).toBe(true);
  expect(assembly.data.equals(data)).toBe(true);
  expect(assembly.contributors).toEqual(new Set(['ann']));
});

test('each block is asked for once, until a request is void', () => {
  const assembly = assemble();
  for (let block = 0; block < 4; block++) {
    expect(assembly.unrequestedBlock()).toBe(block);
    assembly.requested(block, ann);
  }
  expect(assembly.unrequestedBlock()).toBeUndefined();
  assembly.unrequested(2, ann);
  expect(assembly.unrequestedBlock()).toBe(2);
});

test('a block is doubled for others only, up to a limit, and never when it is here', () => {
  const assembly = assemble();
  assembly.requested(0, ann);
  for (let block = 1; block < 4; block++) assembly.receive(block, eve, blockOf(assembly, block));
  expect(assembly.blockToDouble(ann, 3)).toBeUndefined();
  expect(assembly.blockToDouble(bob, 3)).toBe(0);
  assembly.requested(0, bob);
  expect(assembly.blockToDouble(eve, 2)).toBeUndefined();
  expect(assembly.blockToDouble(eve, 3)).toBe(0);
});

test('who else was asked for a block is told when it comes, and the second answer is not used', () => {
  const assembly = assemble();
  for (const peer of [ann, bob, eve]) assembly.requested(1, peer);
  expect(assembly.receive(1, bob, blockOf(assembly, 1))).toEqual([ann, eve]);
  expect(assembly.receive(1, ann, Buffer.alloc(blockBytes))).toBeUndefined();
  expect(assembly.contributors).toEqual(new Set(['bob']));
});

test('what each peer sent is kept as evidence, and convicts who lied and nobody else', () => {
  const suspects = new SuspectBlocks();
  const assembly = assemble();
  const wrong = Buffer.from(blockOf(assembly, 1));
  wrong[0] = (wrong[0] ?? 0) ^ 1;
  assembly.receive(0, ann, blockOf(assembly, 0));
  assembly.receive(1, eve, wrong);
  assembly.receive(2, bob, blockOf(assembly, 2));
  assembly.receive(3, eve, blockOf(assembly, 3));
  const evidence = assembly.evidence();
  expect(evidence.map(({ source }) => source)).toEqual(['ann', 'eve', 'bob', 'eve']);
  expect(evidence[1]?.hash.equals(sha256(wrong))).toBe(true);
  suspects.note(5, evidence);
  expect([suspects.has(5), suspects.has(6)]).toEqual([true, false]);
  expect(suspects.convict(6, data)).toEqual(new Set());
  expect(suspects.convict(5, data)).toEqual(new Set(['eve']));
  expect(suspects.has(5)).toBe(false);
  expect(suspects.convict(5, data)).toEqual(new Set());
});

test('several failures of a piece convict all that lied in any of them', () => {
  const suspects = new SuspectBlocks();
  for (const liar of [bob, eve]) {
    const assembly = assemble();
    for (let block = 0; block < 4; block++) {
      const right = blockOf(assembly, block);
      assembly.receive(
        block,
        block === 2 ? liar : ann,
        block === 2 ? Buffer.alloc(blockBytes) : right,
      );
    }
    suspects.note(5, assembly.evidence());
  }
  expect(suspects.convict(5, data)).toEqual(new Set(['bob', 'eve']));
});
