import type { AnnounceEvent, Announcement, Counts, ListedPeer } from './announcement.ts';
import { PeerError } from '../src/errors.ts';

/** BEP 15. All numbers are big-endian. */
const protocolId = 0x417_2710_1980n;
const actions = { connect: 0, announce: 1, scrape: 2, error: 3 } as const;
const headBytes = 16;
const announceBytes = 98;
const infoHashBytes = 20;
/** As many as BEP 15 says that a scrape may name. */
const maxScrapeHashes = 74;
/** Larger answers would be cut in pieces on their way, which many networks drop. */
export const maxAnswerBytes = 1_400;
const answerHeadBytes = 20;
const events: readonly (AnnounceEvent | undefined)[] = ['none', 'completed', 'started', 'stopped'];

export type UdpRequest =
  | { readonly action: 'connect'; readonly transaction: number }
  | {
      readonly action: 'announce' | 'scrape' | 'unknown';
      readonly transaction: number;
      /** 8 bytes, a binary string. */
      readonly connectionId: string;
    };

/** Reads the head of a datagram; undefined when it is none of the protocol, and so gets no answer. */
export function readHead(data: Buffer): UdpRequest | undefined {
  if (data.length < headBytes) return undefined;
  const transaction = data.readUInt32BE(12);
  const action = data.readUInt32BE(8);
  if (action === actions.connect) {
    return data.readBigUInt64BE(0) === protocolId ? { action: 'connect', transaction } : undefined;
  }
  const connectionId = data.toString('latin1', 0, 8);
  if (action === actions.announce) return { action: 'announce', transaction, connectionId };
  if (action === actions.scrape) return { action: 'scrape', transaction, connectionId };
  return { action: 'unknown', transaction, connectionId };
}

export interface UdpLimits {
  readonly peersPerAnnounce: number;
  readonly maxPeersPerAnnounce: number;
}

/**
 * Reads an announce. `address` is that of the sender, packed; the one in the datagram is ignored, as
 * over HTTP. What follows the fixed part (BEP 41) means nothing to us.
 * @throws PeerError PEER_PROTOCOL that names the field that is wrong.
 */
export function readAnnounce(data: Buffer, address: string, limits: UdpLimits): Announcement {
  if (data.length < announceBytes) {
    throw refuse(`an announce has ${announceBytes} bytes, this has ${data.length}`);
  }
  const event = events[data.readUInt32BE(80)];
  if (event === undefined) throw refuse('event must be a number from 0 to 3');
  const port = data.readUInt16BE(96);
  if (port === 0) throw refuse('port must be a number from 1 to 65535');
  const wanted = data.readInt32BE(92);
  const room = Math.floor((maxAnswerBytes - answerHeadBytes) / (address.length + 2));
  const asked = wanted < 0 ? limits.peersPerAnnounce : wanted;
  return {
    infoHash: data.toString('latin1', 16, 36),
    peerId: data.toString('latin1', 36, 56),
    address,
    port,
    leftBytes: readBytes(data, 64),
    event,
    wanted: Math.min(asked, limits.maxPeersPerAnnounce, room),
    transport: 'plain',
    sameFamily: true,
  };
}

/** Reads a scrape: its info-hashes as binary strings. @throws PeerError PEER_PROTOCOL */
export function readScrape(data: Buffer): string[] {
  const count = (data.length - headBytes) / infoHashBytes;
  if (!Number.isInteger(count) || count < 1 || count > maxScrapeHashes) {
    throw refuse(`a scrape has from 1 to ${maxScrapeHashes} info-hashes of ${infoHashBytes} bytes`);
  }
  return Array.from({ length: count }, (_, index) => {
    const at = headBytes + index * infoHashBytes;
    return data.toString('latin1', at, at + infoHashBytes);
  });
}

const refuse = (why: string) => new PeerError('PEER_PROTOCOL', why);

/** A number of 8 bytes. Clients that do not know yet how large it is say 2^63-1 or 2^64-1. */
function readBytes(data: Buffer, at: number): number {
  const value = data.readUInt32BE(at) * 2 ** 32 + data.readUInt32BE(at + 4);
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}

/** Each of these writes an answer into `into`, and gives its length. */
export function writeConnect(into: Buffer, transaction: number, connectionId: string): number {
  writeHead(into, actions.connect, transaction);
  into.write(connectionId, 8, 'latin1');
  return headBytes;
}

/** @param peers all of one kind of address */
export function writeAnnounce(
  into: Buffer,
  transaction: number,
  answer: Counts & { readonly peers: readonly ListedPeer[]; readonly intervalMs: number },
): number {
  writeHead(into, actions.announce, transaction);
  into.writeUInt32BE(Math.ceil(answer.intervalMs / 1_000), 8);
  into.writeUInt32BE(answer.downloaders, 12);
  into.writeUInt32BE(answer.seeds, 16);
  let at = answerHeadBytes;
  for (const { endpoint } of answer.peers) {
    for (let index = 0; index < endpoint.length; index++) into[at++] = endpoint.charCodeAt(index);
  }
  return at;
}

/** @param swarms those that were asked for, in their order; undefined where nobody is */
export function writeScrape(
  into: Buffer,
  transaction: number,
  swarms: readonly (Counts | undefined)[],
): number {
  writeHead(into, actions.scrape, transaction);
  let at = 8;
  for (const swarm of swarms) {
    into.writeUInt32BE(swarm?.seeds ?? 0, at);
    into.writeUInt32BE(swarm?.completed ?? 0, at + 4);
    into.writeUInt32BE(swarm?.downloaders ?? 0, at + 8);
    at += 12;
  }
  return at;
}

export function writeError(into: Buffer, transaction: number, message: string): number {
  writeHead(into, actions.error, transaction);
  return 8 + into.write(message, 8, 'latin1');
}

function writeHead(into: Buffer, action: number, transaction: number): void {
  into.writeUInt32BE(action, 0);
  into.writeUInt32BE(transaction, 4);
}
