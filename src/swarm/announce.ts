import { TrackerError } from '../errors.ts';
import { decodeBencode, type BencodeDictionary, type BencodeValue } from '../image/index.ts';

/** Where a peer accepts connections. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface AnnounceRequest {
  /** 20 bytes: the truncated v2 info-hash (BEP 52). */
  readonly infoHash: Buffer;
  readonly peerId: Buffer;
  readonly port: number;
  /** Whether that port is for members of the fleet only; then only such peers are told of. */
  readonly sealed: boolean;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly leftBytes: number;
  readonly event?: 'started' | 'completed' | 'stopped' | undefined;
  readonly wanted: number;
  /** What is said of the origin (a web seed); only our own tracker knows what it means. */
  readonly origin?: OriginClaim | undefined;
}

export interface OriginClaim {
  /** Whether it would be used; else what was granted is given back. */
  readonly wanted: boolean;
  /** The size of the image; 0: not known yet. */
  readonly sizeBytes: number;
  /** What this host has taken from it in all. */
  readonly takenBytes: number;
}

/** What the tracker lets this host take from the origin; see docs/web-seeds.md. */
export type OriginReply =
  | {
      readonly slot: number;
      readonly slots: readonly number[];
      readonly bytes: number;
      readonly expiresInMs: number;
    }
  | { readonly waitMs: number };

export interface AnnounceResponse {
  readonly intervalMs: number;
  readonly endpoints: readonly Endpoint[];
  readonly origin?: OriginReply | undefined;
}

const maxResponseBytes = 1 << 20;
const timeoutMs = 10_000;
const maxIntervalSeconds = 86_400;

/**
 * Announces to a tracker over HTTP (BEP 3, compact peers of BEP 23 and 7).
 * @param trackerUrl the tracker's base URL, or the URL of its announce
 * @throws TrackerError when it can't be reached, refuses, or answers with something else
 */
export async function announce(
  trackerUrl: string,
  request: AnnounceRequest,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<AnnounceResponse> {
  const url = announceUrl(trackerUrl, request);
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  let bytes: Uint8Array;
  try {
    const response = await fetch(url, { signal, redirect: 'error' });
    bytes = await readBounded(response, maxResponseBytes);
  } catch (cause) {
    options.signal?.throwIfAborted();
    const why = cause instanceof Error ? (cause.cause ?? cause) : cause;
    throw new TrackerError(
      'TRACKER_UNREACHABLE',
      `the tracker ${trackerUrl} can't be reached: ${why instanceof Error ? why.message : String(why)}`,
      { cause },
    );
  }
  return parseAnnounce(trackerUrl, bytes);
}

function announceUrl(trackerUrl: string, request: AnnounceRequest): string {
  const base = /\/announce\/?$/.test(trackerUrl)
    ? trackerUrl
    : `${trackerUrl.replace(/\/+$/, '')}/announce`;
  const fields = [
    `info_hash=${percentEncode(request.infoHash.subarray(0, 20))}`,
    `peer_id=${percentEncode(request.peerId)}`,
    `port=${request.port}`,
    `uploaded=${request.uploadedBytes}`,
    `downloaded=${request.downloadedBytes}`,
    `left=${request.leftBytes}`,
    'compact=1',
    `numwant=${request.wanted}`,
  ];
  // Our own tracker keeps sealed and plain peers apart by it; others ignore it.
  if (request.sealed) fields.push('sealed=1');
  if (request.origin !== undefined) {
    const { wanted, sizeBytes, takenBytes } = request.origin;
    fields.push(`origin=${wanted ? 1 : 0}`, `size=${sizeBytes}`, `origin_taken=${takenBytes}`);
  }
  if (request.event !== undefined) fields.push(`event=${request.event}`);
  return `${base}?${fields.join('&')}`;
}

const percentEncode = (bytes: Buffer): string =>
  [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseAnnounce(trackerUrl: string, bytes: Uint8Array): AnnounceResponse {
  let answer: BencodeValue;
  try {
    answer = decodeBencode(bytes, { maxDepth: 8, maxValues: 100_000 });
  } catch (cause) {
    throw new TrackerError('TRACKER_FAILED', `${trackerUrl} did not answer like a tracker`, {
      cause,
    });
  }
  if (!(answer instanceof Map)) {
    throw new TrackerError('TRACKER_FAILED', `${trackerUrl} did not answer like a tracker`);
  }
  const refusal = answer.get('failure reason');
  if (refusal instanceof Uint8Array) {
    const why = Buffer.from(refusal).toString('utf8').slice(0, 500);
    throw new TrackerError('TRACKER_REFUSED', `the tracker ${trackerUrl} refused: ${why}`);
  }
  const interval = answer.get('interval');
  return {
    intervalMs: typeof interval === 'number' && interval > 0 ? intervalMsOf(interval) : 60_000,
    origin: originOf(answer.get('origin')),
    endpoints: [...peersOf(answer, 'peers', 4), ...peersOf(answer, 'peers6', 16)],
  };
}

/** Bounded: a timer of over 2^31 ms would go off at once. */
const intervalMsOf = (seconds: number): number => Math.min(seconds, maxIntervalSeconds) * 1_000;

const maxSlots = 1_000;

/** An answer that makes no sense is none: nothing is taken then. */
function originOf(origin: BencodeValue | undefined): OriginReply | undefined {
  if (!(origin instanceof Map)) return undefined;
  const number = (name: string) => {
    const value = origin.get(name);
    return typeof value === 'number' && value >= 0 ? value : undefined;
  };
  const [wait, slot, bytes, expires] = ['wait', 'slot', 'bytes', 'expires'].map(number);
  if (wait !== undefined) return { waitMs: intervalMsOf(wait) };
  const list = origin.get('slots');
  const slots = Array.isArray(list) ? list.filter((each) => typeof each === 'number') : [];
  if (slot === undefined || bytes === undefined || expires === undefined) return undefined;
  if (!slots.includes(slot) || slots.length > maxSlots) return undefined;
  return { slot, slots, bytes, expiresInMs: intervalMsOf(expires) };
}

function peersOf(answer: BencodeDictionary, key: string, addressBytes: 4 | 16): Endpoint[] {
  const compact = answer.get(key);
  if (!(compact instanceof Uint8Array)) return [];
  const bytes = Buffer.from(compact);
  const size = addressBytes + 2;
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, index) => {
    const address = bytes.subarray(index * size, index * size + addressBytes);
    const port = bytes.readUInt16BE(index * size + addressBytes);
    return { host: addressBytes === 4 ? address.join('.') : ipv6Text(address), port };
  });
}

const ipv6Text = (address: Buffer): string =>
  Array.from({ length: 8 }, (_, index) => address.readUInt16BE(index * 2).toString(16)).join(':');
