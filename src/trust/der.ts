/** The tags of ASN.1 that X.509 certificates are made of (X.690, "8.1.2 Identifier octets"). */
export const derTag = {
  boolean: 0x01,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  sequence: 0x30,
} as const;

/** A tag that is its context's own, as [3] (X.680, "31 Tagged types"). */
export const contextTag = (number: number, init: { constructed: boolean }): number =>
  (init.constructed ? 0xa0 : 0x80) | number;

/** One value of ASN.1. Both are views of what it was read from. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly encoded: Uint8Array;
}

/**
 * Reads ASN.1 values that stand one after the other, in DER alone (X.690, "10 Distinguished encoding
 * rules"): what could be written shorter, or in another way, is refused, so that two readers can't
 * understand it differently. It goes into nothing by itself, so nesting costs nothing.
 * All methods throw an Error when the bytes are not what is asked for.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The tag of what comes next; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** Reads a value, of any tag when none is given. */
  read(tag?: number): DerElement {
    const start = this.#at;
    const found = this.#byte();
    if ((found & 0x1f) === 0x1f) throw new Error('it has a tag of several bytes');
    if (tag !== undefined && found !== tag) {
      throw new Error(`it has the tag 0x${found.toString(16)} where 0x${tag.toString(16)} belongs`);
    }
    const length = this.#length();
    const contentStart = this.#at;
    const end = contentStart + length;
    if (end > this.#bytes.length) throw new Error('it is cut short');
    this.#at = end;
    return {
      tag: found,
      content: this.#bytes.subarray(contentStart, end),
      encoded: this.#bytes.subarray(start, end),
    };
  }

  /** Reads a value, and gives a reader of what is in it. */
  enter(tag: number): DerReader {
    return new DerReader(this.read(tag).content);
  }

  /** Reads a value if it is next. */
  readIf(tag: number): DerElement | undefined {
    return this.nextTag === tag ? this.read(tag) : undefined;
  }

  /** Says that nothing may follow. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new Error('something follows where it should end');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error('it is cut short');
    return byte;
  }

  /** X.690, "10.1 Length forms": definite, in as few bytes as will do. Up to 65,535. */
  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    if (first === 0x81) {
      const length = this.#byte();
      if (length >= 0x80) return length;
    } else if (first === 0x82) {
      const length = this.#byte() * 256 + this.#byte();
      if (length > 0xff) return length;
    }
    throw new Error('a length in it is not in the form that DER asks for, or over 65535');
  }
}
