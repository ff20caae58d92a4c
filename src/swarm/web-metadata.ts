import { PeerError } from '../errors.ts';
import { parseTorrent, type Metainfo } from '../image/index.ts';

const timeoutMs = 30_000;
/** Piece layers have 32 bytes a piece: this is enough for two million. */
const maxBytes = 64 << 20;

/**
 * Fetches the .torrent that lies beside the tree of an image in a store, and verifies it: the info
 * dictionary by the image id, the hashes of the pieces by the roots in it.
 * @param folder the URL of the folder STORE/ID/, with a slash at its end
 * @throws PeerError when it is not there, or not of this image
 */
export async function fetchMetainfo(
  folder: string,
  imageId: string,
  options: { signal: AbortSignal },
): Promise<Metainfo> {
  const url = new URL(`${imageId}.torrent`, folder);
  const where = `${url.host}${url.pathname}`;
  const headers = new Headers();
  if (url.username !== '') {
    const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.set('authorization', `Basic ${Buffer.from(user).toString('base64')}`);
    url.username = url.password = '';
  }
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const response = await fetch(url, { headers, redirect: 'error', signal });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`it answered with status ${response.status}`);
    }
    const metainfo = parseTorrent(await readBounded(response));
    if (metainfo.info.imageId === imageId) return metainfo;
    throw new Error(`it is of another image, ${metainfo.info.imageId}`);
  } catch (cause) {
    options.signal.throwIfAborted();
    const why = cause instanceof Error ? (cause.cause ?? cause) : cause;
    const text = why instanceof Error ? why.message : String(why);
    throw new PeerError('PEER_BAD_METADATA', `${where} gives no metadata: ${text}`, { cause });
  }
}

async function readBounded(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`it is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
