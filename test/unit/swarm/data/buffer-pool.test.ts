import fc from 'fast-check';
import { expect, test } from 'vitest';
import { after, BufferPool } from '../../../../src/swarm/data/buffer-pool.ts';

const pooled = 64 << 10;

test('no two who hold a buffer hold the same memory, and what is kept is bounded', () => {
  const steps = fc.array(
    fc.record({
      take: fc.boolean(),
      size: fc.constantFrom(1, 100, pooled, 2 * pooled),
      at: fc.nat(),
    }),
    { maxLength: 100 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const limitBytes = 4 * pooled;
      const pool = new BufferPool({ limitBytes });
      const held: Buffer[] = [];
      const free = new Set<ArrayBufferLike>();
      const freeBytes = () => [...free].reduce((sum, { byteLength }) => sum + byteLength, 0);
      for (const { take, size, at } of list) {
        if (take) {
          const buffer = pool.take(size);
          expect(buffer).toHaveLength(size);
          if (size >= pooled) {
            expect(held.some((other) => other.buffer === buffer.buffer)).toBe(false);
            // What was given back is used again before new memory is.
            const same = [...free].some(({ byteLength }) => byteLength === size);
            expect(free.delete(buffer.buffer)).toBe(same);
          }
          held.push(buffer);
        } else if (held.length > 0) {
          const [buffer] = held.splice(at % held.length, 1);
          if (buffer === undefined) continue;
          pool.give(buffer);
          const fits = freeBytes() + buffer.length <= limitBytes;
          if (buffer.length >= pooled && fits) free.add(buffer.buffer);
        }
        expect(freeBytes()).toBeLessThanOrEqual(limitBytes);
      }
    }),
  );
});

test('after some bytes, what is left is the rest of them', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9 })), fc.nat(60), (parts, seed) => {
      const whole = Buffer.concat(parts);
      const count = seed % (whole.length + 1);
      const left = after(
        parts.map((part) => Buffer.from(part)),
        count,
      );
      expect(Buffer.concat(left).equals(whole.subarray(count))).toBe(true);
    }),
  );
});
