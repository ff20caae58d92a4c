import { encodeBencode } from '../src/image/index.ts';
import type { BencodeInput } from '../src/image/index.ts';
import type { OriginAnswer } from '../src/policy/index.ts';
import type { Counts, ListedPeer } from './announcement.ts';
import { endpointAddress, endpointPort } from './peer-address.ts';

export interface AnswerForm {
  readonly compact: boolean;
  readonly noPeerId: boolean;
}

export interface AnnounceIntervals {
  readonly announceIntervalMs: number;
  readonly minAnnounceIntervalMs: number;
}

/** The answer as a binary string: one character a byte. */
export type Bencoded = string;

type Result = Counts & { readonly peers: readonly ListedPeer[] };

interface OriginPart {
  readonly answer: OriginAnswer;
  readonly nowMs: number;
}

/** The answer to an announce (BEP 3; compact: BEP 23, and BEP 7 for `peers6`). */
export const encodeAnnounceAnswer = (
  result: Result,
  intervals: AnnounceIntervals,
  form: AnswerForm,
  origin?: OriginPart,
): Bencoded =>
  form.compact && origin === undefined
    ? encodeCompact(result, intervals)
    : encodeAny(result, intervals, form, origin);

/** The usual answer, written down as it is: nothing else is encoded so often. */
function encodeCompact(result: Result, intervals: AnnounceIntervals): Bencoded {
  const { ipv4, ipv6 } = packPeers(result.peers);
  const peers6 = ipv6 === '' ? '' : `6:peers6${ipv6.length}:${ipv6}`;
  return `d8:completei${result.seeds}e10:incompletei${result.downloaders}e8:intervali${seconds(intervals.announceIntervalMs)}e12:min intervali${seconds(intervals.minAnnounceIntervalMs)}e5:peers${ipv4.length}:${ipv4}${peers6}e`;
}

const encodeAny = (
  result: Result,
  intervals: AnnounceIntervals,
  form: AnswerForm,
  origin?: OriginPart,
): Bencoded =>
  encode({
    complete: result.seeds,
    incomplete: result.downloaders,
    interval: seconds(intervals.announceIntervalMs),
    'min interval': seconds(intervals.minAnnounceIntervalMs),
    origin: origin && originDictionary(origin.answer, origin.nowMs),
    ...(form.compact ? compactPeers(result.peers) : { peers: listPeers(result.peers, form) }),
  });

const encode = (value: BencodeInput): Bencoded => encodeBencode(value).toString('latin1');

/** What a host may take from the origin, or when it may ask again; see docs/web-seeds.md. */
const originDictionary = (answer: OriginAnswer, nowMs: number): BencodeInput =>
  'waitMs' in answer
    ? { wait: seconds(answer.waitMs) }
    : {
        slot: answer.slot,
        slots: [...answer.slots],
        bytes: answer.bytes,
        // Never more than it was meant to be.
        // (Rounded first: the sum and difference of times that are no whole numbers is a hair less.)
        expires: Math.max(1, Math.floor(Math.round(answer.expiresMs - nowMs) / 1_000)),
      };

/** The answer to a scrape (BEP 48): nobody's swarms are left out. */
export const encodeScrapeAnswer = (files: ReadonlyMap<string, Counts>): Bencoded =>
  encode({
    files: new Map(
      [...files].map(([infoHash, { seeds, downloaders, completed }]) => [
        infoHash,
        { complete: seeds, downloaded: completed, incomplete: downloaders },
      ]),
    ),
  });

/** A refusal (BEP 3), and in how many minutes it may be tried again (BEP 31). */
export const encodeFailure = (reason: string, retryMinutes?: number): Bencoded =>
  encode({ 'failure reason': reason, 'retry in': retryMinutes });

/** Intervals are whole seconds on the wire, never less than they were meant to be. */
const seconds = (milliseconds: number): number => Math.ceil(milliseconds / 1_000);

const ipv6EndpointBytes = 18;

/** Endpoints are kept as they go on the wire. */
function packPeers(peers: readonly ListedPeer[]): { ipv4: string; ipv6: string } {
  let ipv4 = '';
  let ipv6 = '';
  for (const { endpoint } of peers) {
    if (endpoint.length === ipv6EndpointBytes) ipv6 += endpoint;
    else ipv4 += endpoint;
  }
  return { ipv4, ipv6 };
}

function compactPeers(peers: readonly ListedPeer[]): { peers: Buffer; peers6?: Buffer } {
  const { ipv4, ipv6 } = packPeers(peers);
  const packed = { peers: Buffer.from(ipv4, 'latin1') };
  return ipv6 === '' ? packed : { ...packed, peers6: Buffer.from(ipv6, 'latin1') };
}

const listPeers = (peers: readonly ListedPeer[], form: AnswerForm): BencodeInput[] =>
  peers.map((peer) => ({
    ip: endpointAddress(peer.endpoint),
    'peer id': form.noPeerId ? undefined : Buffer.from(peer.peerId, 'latin1'),
    port: endpointPort(peer.endpoint),
  }));
