import { PeerError } from '../src/errors.ts';
import type { OriginClaim } from './origin-leases.ts';
import { packAddress } from './peer-address.ts';
import { parseRawQuery } from './raw-query.ts';
import type { RawQuery } from './raw-query.ts';
import type { AnnounceEvent, Announcement } from './swarm-table.ts';

/** An announce, and the form in which its answer is wanted. */
export interface AnnounceQuery extends Announcement {
  /** Peers as one string (BEP 23, BEP 7) and not as dictionaries (BEP 3). */
  readonly compact: boolean;
  /** Dictionaries without the peer id (BEP 23's forerunner). */
  readonly noPeerId: boolean;
  /** What a host of ours says of the origin (a web seed). */
  readonly origin: OriginClaim | undefined;
}

export interface AnnounceLimits {
  readonly peersPerAnnounce: number;
  readonly maxPeersPerAnnounce: number;
}

/** How many info-hashes one scrape may name (BEP 48 leaves it to the tracker). */
const maxScrapeHashes = 100;

/** `key` tells a host by when its address changes; ours are known by address, so it is not used. */
const maxKeyBytes = 200;

const events: Readonly<Record<string, AnnounceEvent>> = {
  '': 'none',
  started: 'started',
  stopped: 'stopped',
  completed: 'completed',
  paused: 'paused',
};

/**
 * Reads an announce (BEP 3). `remoteAddress` is that of the socket: the parameter `ip` is ignored,
 * because with it anybody could point a whole swarm at a host of their choice, or push another out.
 * @throws PeerError PEER_PROTOCOL that names the field that is wrong.
 */
export function parseAnnounce(
  url: string,
  remoteAddress: string | undefined,
  limits: AnnounceLimits,
): AnnounceQuery {
  const query = parseRawQuery(url);
  const address = packAddress(remoteAddress ?? '');
  if (address === undefined) throw refuse('your address is neither IPv4 nor IPv6');
  number(query, 'uploaded', 0);
  number(query, 'downloaded', 0);
  if ((one(query, 'key') ?? '').length > maxKeyBytes) throw refuse('key is too long');
  const event = eventOf(query);
  return {
    infoHash: twentyBytes(query, 'info_hash'),
    peerId: twentyBytes(query, 'peer_id'),
    address,
    port: portOf(query),
    // Who stops need not say what it has left.
    leftBytes: number(query, 'left', event === 'stopped' ? 0 : undefined),
    event,
    wanted: wantedOf(query, limits),
    // Starling's own parameter: other clients don't know it, and so are plain.
    transport: flag(query, 'sealed', false) ? 'sealed' : 'plain',
    compact: flag(query, 'compact', true),
    noPeerId: flag(query, 'no_peer_id', false),
    origin: originOf(query),
  };
}

/**
 * Reads a scrape: the info-hashes it asks for, as binary strings. A scrape of everything is refused;
 * operators have REST for that.
 * @throws PeerError PEER_PROTOCOL
 */
export function parseScrape(url: string): readonly string[] {
  const hashes = parseRawQuery(url).get('info_hash') ?? [];
  if (hashes.length === 0) throw refuse('info_hash is missing: a scrape must say of what');
  if (hashes.length > maxScrapeHashes) {
    throw refuse(`info_hash is given ${hashes.length} times, ${maxScrapeHashes} are allowed`);
  }
  for (const hash of hashes) checkTwentyBytes(hash, 'info_hash');
  return hashes;
}

const refuse = (why: string) => new PeerError('PEER_PROTOCOL', why);

function one(query: RawQuery, name: string): string | undefined {
  const values = query.get(name);
  if (values !== undefined && values.length > 1) throw refuse(`${name} is given more than once`);
  return values?.[0];
}

function twentyBytes(query: RawQuery, name: string): string {
  const value = one(query, name);
  if (value === undefined) throw refuse(`${name} is missing`);
  checkTwentyBytes(value, name);
  return value;
}

function checkTwentyBytes(value: string, name: string): void {
  if (value.length === 20) return;
  const hint =
    name === 'info_hash' && value.length === 32 ? ' (of a v2 info-hash, the first 20)' : '';
  throw refuse(`${name} must be 20 bytes${hint}, it has ${value.length}`);
}

function number(query: RawQuery, name: string, absent: number | undefined): number {
  const value = one(query, name);
  if (value === undefined) {
    if (absent === undefined) throw refuse(`${name} is missing`);
    return absent;
  }
  if (!/^[0-9]{1,20}$/.test(value)) throw refuse(`${name} must be a number of bytes`);
  // Clients that do not know yet how large it is say 2^63-1 or 2^64-1.
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

function portOf(query: RawQuery): number {
  const value = one(query, 'port');
  if (value === undefined) throw refuse('port is missing');
  const port = /^[0-9]{1,5}$/.test(value) ? Number(value) : 0;
  if (port < 1 || port > 65_535) throw refuse('port must be a number from 1 to 65535');
  return port;
}

function eventOf(query: RawQuery): AnnounceEvent {
  const value = one(query, 'event') ?? '';
  const event = Object.hasOwn(events, value) ? events[value] : undefined;
  if (event === undefined) throw refuse('event must be started, stopped, completed or left out');
  return event;
}

function wantedOf(query: RawQuery, limits: AnnounceLimits): number {
  const value = one(query, 'numwant');
  // -1 is how some clients say that they leave it to us.
  if (value === undefined || value === '-1') return limits.peersPerAnnounce;
  if (!/^[0-9]{1,10}$/.test(value)) throw refuse('numwant must be a number of peers');
  return Math.min(Number(value), limits.maxPeersPerAnnounce);
}

function originOf(query: RawQuery): OriginClaim | undefined {
  if (!query.has('origin')) return undefined;
  return {
    wanted: flag(query, 'origin', false),
    sizeBytes: number(query, 'size', 0),
    takenBytes: number(query, 'origin_taken', 0),
  };
}

function flag(query: RawQuery, name: string, absent: boolean): boolean {
  const value = one(query, name);
  if (value === undefined) return absent;
  if (value !== '0' && value !== '1') throw refuse(`${name} must be 0 or 1`);
  return value === '1';
}
