import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { Readable } from 'node:stream';
import { ConfigError } from '../errors.ts';

/** What the tracker's client asks of a fetch: the part of `globalThis.fetch` that it uses. */
export type TrackerFetch = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body?: string;
    readonly redirect: 'manual';
    readonly signal: AbortSignal;
  },
) => Promise<Response>;

const maxFileBytes = 1 << 20;

/** Answers that have no body, whatever they say (Fetch, "null body status"). */
const bodiless: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/**
 * A fetch that believes no other certificates than those that the file names: authorities, or the
 * certificate of the tracker itself. It speaks https alone, so that nothing goes unsealed by a slip.
 * @param path certificates in PEM
 * @throws ConfigError for a file that can't be read or holds none
 */
export async function openPinnedFetch(path: string): Promise<TrackerFetch> {
  return pinnedFetch(await readAuthorities(path));
}

/** The same with certificates that were read, as `readAuthorities` does. */
export function pinnedFetch(authorities: string): TrackerFetch {
  const agent = new Agent({ ca: authorities, keepAlive: true });
  return async (url, { method, headers, body, signal }) => {
    assertSealed(url);
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(url, { agent, method, headers, signal }, resolve);
      sent.on('error', reject);
      sent.end(body);
    });
    return responseOf(message, url);
  };
}

function responseOf(message: IncomingMessage, url: string): Response {
  const { statusCode: status = 0 } = message;
  const hasBody = !bodiless.has(status);
  if (!hasBody) message.resume();
  const body = hasBody
    ? (Readable.toWeb(message) as ReadableStream<Uint8Array<ArrayBuffer>>)
    : null;
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(message.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  const response = new Response(body, { status, headers });
  // A Response that was not fetched has none.
  Object.defineProperty(response, 'url', { value: url });
  return response;
}

/**
 * The certificates of a file, in PEM.
 * @throws ConfigError for a file that can't be read or holds none
 */
export async function readAuthorities(path: string): Promise<string> {
  let text;
  try {
    text = await readFile(path, 'utf8');
    if (text.length > maxFileBytes) throw new RangeError(`it has more than ${maxFileBytes} bytes`);
    // OpenSSL passes over what is no certificate, and would then believe nobody.
    new X509Certificate(text);
    return text;
  } catch (cause) {
    const isRead = text !== undefined;
    const why = isRead ? 'holds no certificate in PEM' : "can't be read";
    throw new ConfigError(
      isRead ? 'CONFIG_INVALID' : 'CONFIG_MISSING',
      `the file ${path} ${why}: give the certificate of the tracker, or of the authority that signed it`,
      { cause, evidence: { path } },
    );
  }
}

/** @throws ConfigError CONFIG_INVALID for a URL of which certificates would prove nothing */
export function assertSealed(url: string): void {
  if (/^https:/i.test(url)) return;
  throw new ConfigError(
    'CONFIG_INVALID',
    `${url} is not https, so the certificates of --tracker-ca would prove nothing: give the tracker's https URL, or no certificates`,
    { evidence: { url } },
  );
}
