/** A request for an announce or a scrape that says nothing that HTTP would have to look into. */
export interface PlainGet {
  /** The path with its query. */
  readonly url: string;
  /** Whether the connection is kept open after the answer. */
  readonly keep: boolean;
}

/** One whole head (RFC 9112) that asks for nothing else, and nothing after it. */
const shape =
  /^GET (\/(?:announce|scrape)\?[!-~]*) HTTP\/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)+\r\n$/;

/**
 * Reads a request that is a plain GET of /announce or /scrape, all in one piece. Undefined for any
 * other, right or wrong: HTTP has much more to it, and a real server to judge it.
 * @param text what arrived, as a binary string
 */
export function readPlainGet(text: string): PlainGet | undefined {
  const url = shape.exec(text)?.[1];
  if (url === undefined) return undefined;
  let hosts = 0;
  let keep = true;
  const end = text.length - 2;
  for (let at = text.indexOf('\r\n') + 2; at < end;) {
    const colon = text.indexOf(':', at);
    const lineEnd = text.indexOf('\r\n', at);
    switch (colon - at) {
      case 'host'.length:
        if (isNamed(text, at, colon, 'host')) hosts++;
        break;
      case 'connection'.length:
        if (isNamed(text, at, colon, 'connection')) {
          const value = text
            .slice(colon + 1, lineEnd)
            .trim()
            .toLowerCase();
          if (value === 'close') keep = false;
          else if (value !== 'keep-alive') return undefined;
        }
        break;
      default:
        if (special.has(colon - at) && isSpecial(text.slice(at, colon))) return undefined;
    }
    at = lineEnd + 2;
  }
  return hosts === 1 ? { url, keep } : undefined;
}

/** Headers after which a body or something else may come. */
const specialNames = new Set(['content-length', 'transfer-encoding', 'expect', 'upgrade']);
const special = new Set([...specialNames].map((name) => name.length));

const isSpecial = (name: string): boolean => specialNames.has(name.toLowerCase());

const isNamed = (text: string, from: number, to: number, name: string): boolean =>
  text.slice(from, to).toLowerCase() === name;
