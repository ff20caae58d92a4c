import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ImageError } from '../../../src/errors.ts';
import {
  binaryKey,
  decodeBencode,
  decodeBencodePrefix,
  encodeBencode,
  textOfKey,
  type BencodeValue,
} from '../../../src/image/bencode.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const decode = (text: string): BencodeValue => decodeBencode(bytes(text));

/** Any value in the form that decoding gives: keys as binary strings, in their order. */
const anyValue: fc.Arbitrary<BencodeValue> = fc.letrec<{ value: BencodeValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 6 }),
    fc
      .uniqueArray(fc.tuple(fc.uint8Array({ maxLength: 12 }), tie('value')), {
        maxLength: 6,
        selector: ([key]) => Buffer.from(key).toString('latin1'),
      })
      .map(
        (entries) =>
          new Map(
            entries
              .map(([key, value]) => [Buffer.from(key).toString('latin1'), value] as const)
              .sort(([a], [b]) => (a < b ? -1 : 1)),
          ),
      ),
  ),
})).value;

/** Views compare unequal to arrays of the same bytes, so all byte strings become text. */
function comparable(value: BencodeValue): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(comparable);
  if (value instanceof Map) return [...value].map(([key, inner]) => [key, comparable(inner)]);
  return value;
}

test('what is encoded decodes to the same value, and encodes to the same bytes again', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const encoded = encodeBencode(value);
      const decoded = decodeBencode(encoded);
      expect(comparable(decoded)).toEqual(comparable(value));
      expect(encodeBencode(decoded).equals(encoded)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('bytes are either refused with their offset, or are the only form of their value', () => {
  const alphabet = fc.constantFrom(...[...'ilde:-0123456789 a']);
  fc.assert(
    fc.property(fc.string({ unit: alphabet, maxLength: 24 }), (text) => {
      let decoded: BencodeValue;
      try {
        decoded = decode(text);
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
        expect((error as ImageError).evidence).toHaveProperty('offset');
        return;
      }
      expect(encodeBencode(decoded).toString('latin1')).toBe(text);
    }),
    { numRuns: 3_000 },
  );
});

test('the examples of the specification are read and written', () => {
  expect(Buffer.from(decode('4:spam') as Uint8Array).toString()).toBe('spam');
  expect(decode('i3e')).toBe(3);
  expect(decode('i-3e')).toBe(-3);
  expect(encodeBencode(['spam', 'eggs']).toString()).toBe('l4:spam4:eggse');
  expect(encodeBencode({ cow: 'moo', spam: 'eggs' }).toString()).toBe('d3:cow3:moo4:spam4:eggse');
  expect(encodeBencode({ spam: ['a', 'b'] }).toString()).toBe('d4:spaml1:a1:bee');
  expect(encodeBencode({}).toString()).toBe('de');
  expect(encodeBencode(0).toString()).toBe('i0e');
});

describe('a form that is not canonical is refused:', () => {
  test.each([
    ['minus zero', 'i-0e'],
    ['a leading zero', 'i03e'],
    ['a leading zero after a minus', 'i-03e'],
    ['a plus sign', 'i+3e'],
    ['a space in a number', 'i 3e'],
    ['a fraction', 'i1.5e'],
    ['an exponent', 'i1e3e'],
    ['an empty number', 'ie'],
    ['a lone minus', 'i-e'],
    ['a hexadecimal number', 'i0x1e'],
    ['a leading zero of a length', '04:spam'],
    ['a negative length', '-1:a'],
    ['unsorted keys', 'd1:bi0e1:ai0ee'],
    ['a key that comes twice', 'd1:ai0e1:ai0ee'],
    ['a key that is a number', 'di1ei2ee'],
    ['a key without a value', 'd1:ae'],
    ['bytes after the end', 'i0ei0e'],
    ['nothing at all', ''],
    ['the end of a list alone', 'e'],
    ['a value of no type', 'x'],
  ])('%s', (_, text) => {
    expect(() => decode(text)).toThrow(ImageError);
  });
});

test('a value that is cut off at any byte is refused', () => {
  const whole = encodeBencode({
    list: [1, -20, 'three', ['four', {}]],
    map: new Map([[binaryKey('ключ'), Buffer.alloc(30, 7)]]),
    number: Number.MAX_SAFE_INTEGER,
  });
  for (let length = 0; length < whole.length; length++) {
    expect(() => decodeBencode(whole.subarray(0, length))).toThrow(ImageError);
  }
});

test('numbers up to 2^53 are exact, and greater ones are refused', () => {
  expect(decode('i9007199254740991e')).toBe(Number.MAX_SAFE_INTEGER);
  expect(decode('i-9007199254740991e')).toBe(Number.MIN_SAFE_INTEGER);
  expect(() => decode('i9007199254740992e')).toThrow('beyond 2^53');
  expect(() => decode(`i${'9'.repeat(1_000_000)}e`)).toThrow(ImageError);
  expect(() => decode('9007199254740991:a')).toThrow('longer than the rest');
  expect(() => encodeBencode(1.5)).toThrow(TypeError);
  expect(() => encodeBencode(2 ** 53)).toThrow(TypeError);
});

test('nesting is bounded, in lists, dictionaries and both', () => {
  expect(() => decode('l'.repeat(1_000_000))).toThrow('too deep');
  expect(() => decode('d1:a'.repeat(1_000_000))).toThrow('too deep');
  expect(decode(`${'l'.repeat(100)}${'e'.repeat(100)}`)).toHaveLength(1);
  expect(() => decodeBencode(bytes('llleee'), { maxDepth: 1 })).toThrow('too deep');
});

test('the number of values is bounded, because the smallest take the most memory', () => {
  expect(() => decodeBencode(bytes('li0ei0ei0ee'), { maxValues: 3 })).toThrow('too many values');
  expect(() => decode(`l${'le'.repeat(4_100_000)}e`)).toThrow('too many values');
});

test('a value at the start of other data is read with its length', () => {
  expect(decodeBencodePrefix(bytes('i5eREST'))).toEqual({ value: 5, length: 3 });
});

test('keys that are not ASCII keep their bytes and sort by them', () => {
  const keys = ['é', 'z', '日本', 'a', '\u{1f600}', '\uffff'];
  const encoded = encodeBencode(new Map(keys.map((key) => [binaryKey(key), 1])));
  const sorted = keys.map((key) => Buffer.from(key)).sort((a, b) => Buffer.compare(a, b));
  const decoded = decodeBencode(encoded) as Map<string, BencodeValue>;
  expect([...decoded.keys()].map(textOfKey)).toEqual(sorted.map((key) => key.toString()));
  expect(() => encodeBencode({ é: 1, 日: 2 })).toThrow('not a binary string');
});
