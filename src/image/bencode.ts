import { ImageError } from '../errors.ts';

/**
 * Bencoding (BEP 3; BEP 52, 'bencoding'): strict in both directions, so that decoding and encoding
 * again gives the same bytes, which an info-hash needs.
 *
 * Dictionary keys are byte strings. They are held as *binary strings*: one character a byte, which
 * keeps every key and sorts as BEP 52 wants. `binaryKey` and `textOfKey` convert.
 */
export type BencodeValue = number | Uint8Array | BencodeValue[] | BencodeDictionary;
export type BencodeDictionary = Map<string, BencodeValue>;

/** What can be encoded: also text (as UTF-8) and plain objects (keys in ASCII). */
export type BencodeInput =
  | number
  | string
  | Uint8Array
  | Bencoded
  | readonly BencodeInput[]
  | ReadonlyMap<string, BencodeInput>
  | { readonly [key: string]: BencodeInput | undefined };

/** A value that is bencoded already, and goes in as it is. */
export class Bencoded {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export interface BencodeLimits {
  /** How deep lists and dictionaries may nest. */
  readonly maxDepth: number;
  /** How many values there may be in all. */
  readonly maxValues: number;
}

/** A value of two bytes may take 200 in memory: this many are below 1 GB, and 500,000 files. */
const defaultLimits: BencodeLimits = { maxDepth: 160, maxValues: 4_000_000 };

export const binaryKey = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
export const textOfKey = (key: string): string => Buffer.from(key, 'latin1').toString('utf8');

/**
 * Encodes a value. Keys of maps are binary strings; undefined members of objects are left out.
 * @throws TypeError for what bencoding has no form for: a programmer's error, never a user's.
 */
export function encodeBencode(value: BencodeInput): Buffer {
  const parts: Uint8Array[] = [];
  encodeInto(parts, value);
  return Buffer.concat(parts);
}

function encodeInto(parts: Uint8Array[], value: BencodeInput): void {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError(`not an integer: ${value}`);
    parts.push(Buffer.from(`i${value}e`, 'latin1'));
  } else if (typeof value === 'string' || value instanceof Uint8Array) {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    parts.push(Buffer.from(`${bytes.length}:`, 'latin1'), bytes);
  } else if (value instanceof Bencoded) {
    parts.push(value.bytes);
  } else if (isList(value)) {
    parts.push(Buffer.from('l'));
    for (const item of value) encodeInto(parts, item);
    parts.push(Buffer.from('e'));
  } else {
    encodeDictionary(parts, value);
  }
}

const isList = (value: BencodeInput): value is readonly BencodeInput[] => Array.isArray(value);

const isMap = (value: object): value is ReadonlyMap<string, BencodeInput> => value instanceof Map;

function encodeDictionary(
  parts: Uint8Array[],
  value: ReadonlyMap<string, BencodeInput> | Readonly<Record<string, BencodeInput | undefined>>,
): void {
  const entries: [string, BencodeInput | undefined][] = isMap(value)
    ? [...value]
    : Object.entries(value);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  parts.push(Buffer.from('d'));
  for (const [key, item] of entries) {
    if (item === undefined) continue;
    const bytes = Buffer.from(key, 'latin1');
    if (bytes.toString('latin1') !== key) throw new TypeError(`not a binary string: ${key}`);
    parts.push(Buffer.from(`${bytes.length}:`, 'latin1'), bytes);
    encodeInto(parts, item);
  }
  parts.push(Buffer.from('e'));
}

/**
 * Decodes one value that takes up all of `bytes`. Strings are views into `bytes`.
 * @throws ImageError IMAGE_METAINFO with the offset of the fault, also for valid bencoding that is
 * not canonical: unsorted or double keys, leading zeros, minus zero.
 */
export function decodeBencode(bytes: Uint8Array, limits?: Partial<BencodeLimits>): BencodeValue {
  const { value, length } = decodeBencodePrefix(bytes, limits);
  if (length !== bytes.length) throw fault(`${bytes.length - length} bytes follow the end`, length);
  return value;
}

/** Decodes the value at the start of `bytes` and says how long it was (BEP 9 appends data). */
export function decodeBencodePrefix(
  bytes: Uint8Array,
  limits?: Partial<BencodeLimits>,
): { value: BencodeValue; length: number } {
  const decoder = new Decoder(bytes, { ...defaultLimits, ...limits });
  const value = decoder.value(0);
  return { value, length: decoder.offset };
}

const fault = (what: string, offset: number) =>
  new ImageError('IMAGE_METAINFO', `bencoding is invalid at byte ${offset}: ${what}`, {
    evidence: { offset },
  });

const code = { i: 0x69, l: 0x6c, d: 0x64, e: 0x65, colon: 0x3a, minus: 0x2d, zero: 0x30 } as const;

class Decoder {
  offset = 0;
  readonly #bytes: Buffer;
  readonly #limits: BencodeLimits;
  #values = 0;

  constructor(bytes: Uint8Array, limits: BencodeLimits) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
  }

  value(depth: number): BencodeValue {
    if (depth > this.#limits.maxDepth) throw fault('it nests too deep', this.offset);
    if (++this.#values > this.#limits.maxValues) throw fault('too many values', this.offset);
    switch (this.#bytes[this.offset]) {
      case undefined:
        throw fault('it ends too early', this.offset);
      case code.i:
        this.offset += 1;
        return this.#integer(code.e);
      case code.l:
        return this.#list(depth);
      case code.d:
        return this.#dictionary(depth);
      default:
        return this.#string();
    }
  }

  /** A canonical decimal number up to `end`, which is passed over. */
  #integer(end: number): number {
    const start = this.offset;
    const stop = this.#bytes.indexOf(end, start);
    if (stop < 0 || stop - start > 17) throw fault('a number has no end', start);
    const text = this.#bytes.toString('latin1', start, stop);
    if (!/^(?:0|-?[1-9][0-9]*)$/.test(text)) throw fault('a number is malformed', start);
    const value = Number(text);
    if (!Number.isSafeInteger(value)) throw fault('a number is beyond 2^53', start);
    this.offset = stop + 1;
    return value;
  }

  #string(): Uint8Array {
    const start = this.offset;
    const first = this.#bytes[start] ?? 0;
    if (first < code.zero || first > code.zero + 9) throw fault('no value starts so', start);
    const length = this.#integer(code.colon);
    const end = this.offset + length;
    if (end > this.#bytes.length) throw fault('a string is longer than the rest', start);
    const value = this.#bytes.subarray(this.offset, end);
    this.offset = end;
    return value;
  }

  #list(depth: number): BencodeValue[] {
    this.offset += 1;
    const items: BencodeValue[] = [];
    while (this.#bytes[this.offset] !== code.e) items.push(this.value(depth + 1));
    this.offset += 1;
    return items;
  }

  #dictionary(depth: number): BencodeDictionary {
    this.offset += 1;
    const entries: BencodeDictionary = new Map();
    let previous: string | undefined;
    while (this.#bytes[this.offset] !== code.e) {
      const at = this.offset;
      const bytes = this.#string();
      const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
      if (previous !== undefined && key <= previous) throw fault('keys are not sorted', at);
      entries.set(key, this.value(depth + 1));
      previous = key;
    }
    this.offset += 1;
    return entries;
  }
}
