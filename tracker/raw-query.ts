import { PeerError } from '../src/errors.ts';

/** Longer queries are refused: room for a scrape of 100 info-hashes in which each byte is escaped. */
export const maxQueryBytes = 8_192;
const maxParameters = 200;

/** Takes a parameter of a query, both as binary strings: one character a byte. */
export type TakeParameter = (name: string, value: string) => void;

/**
 * Reads the query of a URL byte by byte. Info-hashes and peer ids are any bytes at all (BEP 3), so
 * what takes a query for UTF-8 destroys them. `+` is itself, as RFC 3986 has it.
 * @throws PeerError PEER_PROTOCOL for a query that is too long or not percent-encoded.
 */
export function readRawQuery(url: string, take: TakeParameter): void {
  const start = url.indexOf('?');
  if (start < 0) return;
  const length = url.length - start - 1;
  if (length > maxQueryBytes) {
    throw malformed(`the query is ${length} bytes long, ${maxQueryBytes} are allowed`);
  }
  let parameters = 0;
  for (let from = start + 1; from <= url.length;) {
    const ampersand = url.indexOf('&', from);
    const to = ampersand < 0 ? url.length : ampersand;
    if (++parameters > maxParameters) {
      throw malformed(`the query has more than ${maxParameters} parameters`);
    }
    if (to > from) readParameter(url.slice(from, to), take);
    from = to + 1;
  }
}

function readParameter(field: string, take: TakeParameter): void {
  const equals = field.indexOf('=');
  const name = equals < 0 ? field : field.slice(0, equals);
  take(decode(name, field), equals < 0 ? '' : decode(field.slice(equals + 1), field));
}

const malformed = (why: string) => new PeerError('PEER_PROTOCOL', why);

const percent = 0x25;
/** Shorter strings are never slices, which would hold the whole URL. */
const sliceLength = 13;
const scratch = Buffer.alloc(maxQueryBytes);

/** The bytes that `text` stands for, in a string of its own. */
function decode(text: string, field: string): string {
  if (text.length < sliceLength && isPlain(text)) return text;
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    let byte = text.charCodeAt(at);
    if (byte === percent) {
      const high = hexDigit(text.charCodeAt(at + 1));
      const low = hexDigit(text.charCodeAt(at + 2));
      if (high < 0 || low < 0) {
        const name = field.split('=', 1)[0]?.slice(0, 40) ?? '';
        throw malformed(`${JSON.stringify(name)} has a % that no two hexadecimal digits follow`);
      }
      byte = high * 16 + low;
      at += 2;
    }
    scratch[length++] = byte;
  }
  return scratch.toString('latin1', 0, length);
}

function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === percent || character > 0xff) return false;
  }
  return true;
}

/** The value of a hexadecimal digit, -1 for what is none. */
function hexDigit(character: number): number {
  if (character >= 0x30 && character <= 0x39) return character - 0x30;
  const letter = character | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}
