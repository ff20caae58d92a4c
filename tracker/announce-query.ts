import { PeerError } from '../src/errors.ts';
import type { AnnounceEvent, Announcement } from './announcement.ts';
import type { OriginClaim } from './origin-leases.ts';
import { readRawQuery } from './raw-query.ts';

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

const events: ReadonlyMap<string | undefined, AnnounceEvent> = new Map([
  [undefined, 'none'],
  ['', 'none'],
  ['started', 'started'],
  ['stopped', 'stopped'],
  ['completed', 'completed'],
  ['paused', 'paused'],
]);

/** The fields of an announce that mean something to us; others are passed over. */
class AnnounceFields {
  info_hash: string | undefined;
  peer_id: string | undefined;
  port: string | undefined;
  uploaded: string | undefined;
  downloaded: string | undefined;
  left: string | undefined;
  event: string | undefined;
  numwant: string | undefined;
  key: string | undefined;
  sealed: string | undefined;
  compact: string | undefined;
  no_peer_id: string | undefined;
  origin: string | undefined;
  size: string | undefined;
  origin_taken: string | undefined;
}

type FieldName = keyof AnnounceFields;

const fieldNames: ReadonlySet<string> = new Set(Object.keys(new AnnounceFields()));

const isFieldName = (name: string): name is FieldName => fieldNames.has(name);

function readFields(url: string): AnnounceFields {
  const fields = new AnnounceFields();
  readRawQuery(url, (name, value) => {
    if (!isFieldName(name)) return;
    if (fields[name] !== undefined) throw refuse(`${name} is given more than once`);
    fields[name] = value;
  });
  return fields;
}

/**
 * Reads an announce (BEP 3). `address` is that of the socket, packed; undefined when it is none. The
 * parameter `ip` is ignored, because with it anybody could point a whole swarm at a host of their
 * choice, or push another out.
 * @throws PeerError PEER_PROTOCOL that names the field that is wrong.
 */
export function parseAnnounce(
  url: string,
  address: string | undefined,
  limits: AnnounceLimits,
): AnnounceQuery {
  const fields = readFields(url);
  if (address === undefined) throw refuse('your address is neither IPv4 nor IPv6');
  number(fields, 'uploaded', 0);
  number(fields, 'downloaded', 0);
  if ((fields.key ?? '').length > maxKeyBytes) throw refuse('key is too long');
  const event = eventOf(fields);
  return {
    infoHash: twentyBytes(fields, 'info_hash'),
    peerId: twentyBytes(fields, 'peer_id'),
    address,
    port: portOf(fields),
    // Who stops need not say what it has left.
    leftBytes: number(fields, 'left', event === 'stopped' ? 0 : undefined),
    event,
    wanted: wantedOf(fields, limits),
    // Starling's own parameter: other clients don't know it, and so are plain.
    transport: flag(fields, 'sealed', false) ? 'sealed' : 'plain',
    compact: flag(fields, 'compact', true),
    noPeerId: flag(fields, 'no_peer_id', false),
    origin: originOf(fields),
  };
}

/**
 * Reads a scrape: the info-hashes it asks for, as binary strings. A scrape of everything is refused;
 * operators have REST for that.
 * @throws PeerError PEER_PROTOCOL
 */
export function parseScrape(url: string): readonly string[] {
  const hashes: string[] = [];
  readRawQuery(url, (name, value) => {
    if (name === 'info_hash') hashes.push(value);
  });
  if (hashes.length === 0) throw refuse('info_hash is missing: a scrape must say of what');
  if (hashes.length > maxScrapeHashes) {
    throw refuse(`info_hash is given ${hashes.length} times, ${maxScrapeHashes} are allowed`);
  }
  for (const hash of hashes) checkTwentyBytes(hash, 'info_hash');
  return hashes;
}

const refuse = (why: string) => new PeerError('PEER_PROTOCOL', why);

function twentyBytes(fields: AnnounceFields, name: FieldName): string {
  const value = fields[name];
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

function number(fields: AnnounceFields, name: FieldName, absent: number | undefined): number {
  const value = fields[name];
  if (value === undefined) {
    if (absent === undefined) throw refuse(`${name} is missing`);
    return absent;
  }
  if (!/^[0-9]{1,20}$/.test(value)) throw refuse(`${name} must be a number of bytes`);
  // Clients that do not know yet how large it is say 2^63-1 or 2^64-1.
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

function portOf(fields: AnnounceFields): number {
  const value = fields.port;
  if (value === undefined) throw refuse('port is missing');
  const port = /^[0-9]{1,5}$/.test(value) ? Number(value) : 0;
  if (port < 1 || port > 65_535) throw refuse('port must be a number from 1 to 65535');
  return port;
}

function eventOf(fields: AnnounceFields): AnnounceEvent {
  const event = events.get(fields.event);
  if (event === undefined) throw refuse('event must be started, stopped, completed or left out');
  return event;
}

function wantedOf(fields: AnnounceFields, limits: AnnounceLimits): number {
  const value = fields.numwant;
  // -1 is how some clients say that they leave it to us.
  if (value === undefined || value === '-1') return limits.peersPerAnnounce;
  if (!/^[0-9]{1,10}$/.test(value)) throw refuse('numwant must be a number of peers');
  return Math.min(Number(value), limits.maxPeersPerAnnounce);
}

function originOf(fields: AnnounceFields): OriginClaim | undefined {
  if (fields.origin === undefined) return undefined;
  return {
    wanted: flag(fields, 'origin', false),
    sizeBytes: number(fields, 'size', 0),
    takenBytes: number(fields, 'origin_taken', 0),
  };
}

function flag(fields: AnnounceFields, name: FieldName, absent: boolean): boolean {
  const value = fields[name];
  if (value === undefined) return absent;
  if (value !== '0' && value !== '1') throw refuse(`${name} must be 0 or 1`);
  return value === '1';
}
