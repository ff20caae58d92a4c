import { PeerError } from '../src/errors.ts';

/** Longer queries are refused: room for a scrape of 100 info-hashes in which each byte is escaped. */
export const maxQueryBytes = 8_192;
const maxParameters = 200;

/** The values of each parameter, in their order, as binary strings: one character a byte. */
export type RawQuery = ReadonlyMap<string, readonly string[]>;

/**
 * Reads the query of a URL byte by byte. Info-hashes and peer ids are any bytes at all (BEP 3), so
 * what takes a query for UTF-8 destroys them. `+` is itself, as RFC 3986 has it.
 * @throws PeerError PEER_PROTOCOL for a query that is too long or not percent-encoded.
 */
export function parseRawQuery(url: string): RawQuery {
  const start = url.indexOf('?');
  const query = start < 0 ? '' : url.slice(start + 1);
  if (query.length > maxQueryBytes) {
    throw malformed(`the query is ${query.length} bytes long, ${maxQueryBytes} are allowed`);
  }
  const values = new Map<string, string[]>();
  const fields = query.split('&');
  if (fields.length > maxParameters) {
    throw malformed(`the query has more than ${maxParameters} parameters`);
  }
  for (const field of fields) {
    if (field === '') continue;
    const equals = field.indexOf('=');
    const name = decode(equals < 0 ? field : field.slice(0, equals), field);
    const value = equals < 0 ? '' : decode(field.slice(equals + 1), field);
    const known = values.get(name);
    if (known === undefined) values.set(name, [value]);
    else known.push(value);
  }
  return values;
}

const malformed = (why: string) => new PeerError('PEER_PROTOCOL', why);

const percent = 0x25;

/** The bytes that `text` stands for. The string is a new one: a slice would hold the whole URL. */
function decode(text: string, field: string): string {
  const bytes = Buffer.from(text, 'latin1');
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at] ?? 0;
    if (byte === percent) {
      const high = hexDigit(bytes[at + 1]);
      const low = hexDigit(bytes[at + 2]);
      if (high < 0 || low < 0) {
        const name = field.split('=', 1)[0]?.slice(0, 40) ?? '';
        throw malformed(`${JSON.stringify(name)} has a % that no two hexadecimal digits follow`);
      }
      byte = high * 16 + low;
      at += 2;
    }
    bytes[length++] = byte;
  }
  return bytes.toString('latin1', 0, length);
}

/** The value of a hexadecimal digit, -1 for what is none. */
function hexDigit(character: number | undefined): number {
  if (character === undefined) return -1;
  if (character >= 0x30 && character <= 0x39) return character - 0x30;
  const letter = character | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}
