import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bitfield } from '../../../src/policy/bitfield.ts';

test('a bitfield is a set of numbers', () => {
  const step = fc.record({ add: fc.boolean(), piece: fc.nat(40) });
  fc.assert(
    fc.property(fc.integer({ min: 41, max: 60 }), fc.array(step), (length, steps) => {
      const field = new Bitfield(length);
      const model = new Set<number>();
      for (const { add, piece } of steps) {
        const had = model.has(piece);
        expect(field.has(piece)).toBe(had);
        if (add) expect(field.add(piece)).toBe(!had);
        else expect(field.remove(piece)).toBe(had);
        if (add) model.add(piece);
        else model.delete(piece);
      }
      expect([...field]).toEqual([...model].sort((a, b) => a - b));
      expect(field.count).toBe(model.size);
      expect(field.isFull).toBe(model.size === length);
      const parsed = Bitfield.parse(length, field.toBytes());
      expect(parsed && [...parsed]).toEqual([...field]);
      expect(parsed?.count).toBe(field.count);
    }),
  );
});

test('the first piece is the highest bit of the first byte', () => {
  const field = new Bitfield(10);
  field.add(0);
  field.add(9);
  expect([...field.toBytes()]).toEqual([0x80, 0x40]);
});

test('bytes of the wrong size, or with a spare bit, are no bitfield', () => {
  expect(Bitfield.parse(9, Uint8Array.of(0xff))).toBeUndefined();
  expect(Bitfield.parse(9, Uint8Array.of(0xff, 0x80, 0))).toBeUndefined();
  expect(Bitfield.parse(9, Uint8Array.of(0xff, 0x40))).toBeUndefined();
  expect(Bitfield.parse(9, Uint8Array.of(0xff, 0x80))?.isFull).toBe(true);
  expect(Bitfield.parse(0, new Uint8Array(0))?.isFull).toBe(true);
});

test('a full bitfield has every piece and no other', () => {
  for (const length of [0, 1, 7, 8, 9, 64]) {
    const field = Bitfield.full(length);
    expect([field.count, field.isFull, field.has(length)]).toEqual([length, true, false]);
  }
});

test('a piece that does not exist is not added', () => {
  for (const piece of [-1, 8, 1_000]) expect(() => new Bitfield(8).add(piece)).toThrow(RangeError);
});

test('what is done to a copy of the bytes does not change the set', () => {
  const field = new Bitfield(8);
  field.toBytes()[0] = 0xff;
  expect(field.count).toBe(0);
});
