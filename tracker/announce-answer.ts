import { encodeBencode } from '../src/image/index.ts';
import type { BencodeInput } from '../src/image/index.ts';
import type { OriginAnswer } from '../src/policy/index.ts';
import { endpointAddress, endpointPort } from './peer-address.ts';
import type { Counts, ListedPeer } from './swarm-table.ts';

export interface AnswerForm {
  readonly compact: boolean;
  readonly noPeerId: boolean;
}

export interface AnnounceIntervals {
  readonly announceIntervalMs: number;
  readonly minAnnounceIntervalMs: number;
}

const endpointBytes = { ipv4: 6, ipv6: 18 } as const;

/** The answer to an announce (BEP 3; compact: BEP 23, and BEP 7 for `peers6`). */
export function encodeAnnounceAnswer(
  result: Counts & { readonly peers: readonly ListedPeer[] },
  intervals: AnnounceIntervals,
  form: AnswerForm,
  origin?: { readonly answer: OriginAnswer; readonly nowMs: number },
): Buffer {
  return encodeBencode({
    complete: result.seeds,
    incomplete: result.downloaders,
    interval: seconds(intervals.announceIntervalMs),
    'min interval': seconds(intervals.minAnnounceIntervalMs),
    origin: origin && originDictionary(origin.answer, origin.nowMs),
    ...(form.compact ? compactPeers(result.peers) : { peers: listPeers(result.peers, form) }),
  });
}

/** What a host may take from the origin, or when it may ask again; see docs/web-seeds.md. */
const originDictionary = (answer: OriginAnswer, nowMs: number): BencodeInput =>
  'waitMs' in answer
    ? { wait: seconds(answer.waitMs) }
    : {
        slot: answer.slot,
        slots: [...answer.slots],
        bytes: answer.bytes,
        // Never more than it was meant to be.
        expires: Math.max(1, Math.floor((answer.expiresMs - nowMs) / 1_000)),
      };

/** The answer to a scrape (BEP 48): nobody's swarms are left out. */
export const encodeScrapeAnswer = (files: ReadonlyMap<string, Counts>): Buffer =>
  encodeBencode({
    files: new Map(
      [...files].map(([infoHash, { seeds, downloaders, completed }]) => [
        infoHash,
        { complete: seeds, downloaded: completed, incomplete: downloaders },
      ]),
    ),
  });

/** A refusal (BEP 3), and in how many minutes it may be tried again (BEP 31). */
export const encodeFailure = (reason: string, retryMinutes?: number): Buffer =>
  encodeBencode({ 'failure reason': reason, 'retry in': retryMinutes });

/** Intervals are whole seconds on the wire, never less than they were meant to be. */
const seconds = (milliseconds: number): number => Math.ceil(milliseconds / 1_000);

/** Packed endpoints are kept as they go on the wire. */
function compactPeers(peers: readonly ListedPeer[]): { peers: Buffer; peers6?: Buffer } {
  let ipv4 = '';
  let ipv6 = '';
  for (const { endpoint } of peers) {
    if (endpoint.length === endpointBytes.ipv6) ipv6 += endpoint;
    else ipv4 += endpoint;
  }
  const packed = { peers: Buffer.from(ipv4, 'latin1') };
  return ipv6 === '' ? packed : { ...packed, peers6: Buffer.from(ipv6, 'latin1') };
}

const listPeers = (peers: readonly ListedPeer[], form: AnswerForm): BencodeInput[] =>
  peers.map((peer) => ({
    ip: endpointAddress(peer.endpoint),
    'peer id': form.noPeerId ? undefined : Buffer.from(peer.peerId, 'latin1'),
    port: endpointPort(peer.endpoint),
  }));
