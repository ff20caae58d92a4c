import { PeerError } from '../errors.ts';
import {
  decodeBencode,
  decodeBencodePrefix,
  encodeBencode,
  maxInfoBytes,
  type BencodeDictionary,
  type BencodeValue,
} from '../image/index.ts';
import type { GatewaySlots, Place } from '../policy/index.ts';

/** The extension handshake (BEP 10): what each side can, under which message numbers. */
export interface ExtensionHandshake {
  /** The number under which the peer takes `ut_metadata`; 0 or undefined: it does not. */
  readonly metadataId: number | undefined;
  readonly metadataBytes: number | undefined;
  /** How many requests the peer lets wait. */
  readonly requestQueue: number | undefined;
  /** The largest block that the peer sends, where that is more than 16 KiB: our own extension. */
  readonly maxRequestBytes: number | undefined;
  /**
   * Whether the peer hands out pieces at the moment: then it is asked only for those that it suggests
   * (BEP 6). Undefined: it does not know of such things. Our own extension.
   */
  readonly injects: boolean | undefined;
  /** Where the peer stands, if it says so: our own extension. */
  readonly place: Place | undefined;
  /** What it stands for: our own extension. */
  readonly slots: GatewaySlots;
  /** The port on which the peer accepts connections. */
  readonly listenPort: number | undefined;
  readonly client: string | undefined;
}

/** What we say that we are. */
export const clientName = 'Starling 0.1';
/** Our own number for `ut_metadata`; 0 is the handshake itself. */
export const metadataExtensionId = 3;
export const extensionHandshakeId = 0;
export const metadataPieceBytes = 16_384;
/**
 * Under this key of the extension handshake (BEP 10) a Starling peer says how large a block it sends.
 * Others ignore it, and are asked for 16 KiB as ever.
 */
const maxRequestKey = 'sg_max_request';
/** Under this key it says whether it hands out pieces (1) or not (0); see docs/swarm.md. */
const injectsKey = 'sg_injects';
/** Under these it says in which zone and rack it is, and its slots as a gateway, or -1. */
const zoneKey = 'sg_zone';
const rackKey = 'sg_rack';
const slotsKey = 'sg_slots';
const maxLabelBytes = 200;
const maxSlot = 1_000;

const bencodeLimits = { maxDepth: 8, maxValues: 1_000 };

export function encodeExtensionHandshake(init: {
  metadataBytes: number | undefined;
  requestQueue: number;
  maxRequestBytes: number;
  injects: boolean;
  place: Place;
  slots: GatewaySlots;
  listenPort: number | undefined;
  client: string;
}): Buffer {
  return encodeBencode({
    m: { ut_metadata: metadataExtensionId },
    metadata_size: init.metadataBytes,
    p: init.listenPort,
    reqq: init.requestQueue,
    [injectsKey]: init.injects ? 1 : 0,
    [maxRequestKey]: init.maxRequestBytes,
    [rackKey]: init.place.rack,
    [slotsKey]: init.slots.map((slot) => slot ?? -1),
    [zoneKey]: init.place.zone,
    v: init.client,
  });
}

/** @throws PeerError PEER_PROTOCOL */
export function parseExtensionHandshake(payload: Uint8Array): ExtensionHandshake {
  const value = fromPeer(() => decodeBencode(payload, bencodeLimits));
  if (!(value instanceof Map)) throw malformed('the extension handshake is not a dictionary');
  const messages = value.get('m');
  const client = value.get('v');
  const injects = integer(value.get(injectsKey), 1);
  return {
    metadataId: messages instanceof Map ? integer(messages.get('ut_metadata'), 255) : undefined,
    metadataBytes: integer(value.get('metadata_size'), maxInfoBytes),
    requestQueue: integer(value.get('reqq'), 1_000_000),
    maxRequestBytes: integer(value.get(maxRequestKey), 1 << 24),
    injects: injects === undefined ? undefined : injects === 1,
    place: placeOf(value),
    slots: slotsOf(value.get(slotsKey)),
    listenPort: integer(value.get('p'), 65_535),
    client:
      client instanceof Uint8Array ? Buffer.from(client).toString('utf8').slice(0, 100) : undefined,
  };
}

function placeOf(handshake: BencodeDictionary): Place | undefined {
  const [zone, rack] = [zoneKey, rackKey].map((key) => {
    const label = handshake.get(key);
    const short = label instanceof Uint8Array && label.length <= maxLabelBytes;
    return short ? Buffer.from(label).toString('utf8') : undefined;
  });
  return zone === undefined || rack === undefined ? undefined : { zone, rack };
}

function slotsOf(value: BencodeValue | undefined): GatewaySlots {
  const slots = Array.isArray(value) ? value : [];
  return [integer(slots[0], maxSlot), integer(slots[1], maxSlot)];
}

/** A message of `ut_metadata` (BEP 9). */
export type MetadataMessage =
  | { readonly type: 'request' | 'reject'; readonly piece: number }
  | {
      readonly type: 'data';
      readonly piece: number;
      readonly totalBytes: number;
      readonly data: Uint8Array;
    };

export function encodeMetadataMessage(message: MetadataMessage): Buffer {
  switch (message.type) {
    case 'request':
      return encodeBencode({ msg_type: 0, piece: message.piece });
    case 'reject':
      return encodeBencode({ msg_type: 2, piece: message.piece });
    case 'data': {
      const head = { msg_type: 1, piece: message.piece, total_size: message.totalBytes };
      return Buffer.concat([encodeBencode(head), message.data]);
    }
  }
}

/** @throws PeerError PEER_PROTOCOL */
export function parseMetadataMessage(payload: Uint8Array): MetadataMessage | undefined {
  const { value, length } = fromPeer(() => decodeBencodePrefix(payload, bencodeLimits));
  if (!(value instanceof Map)) throw malformed('a metadata message is not a dictionary');
  const piece = integer(value.get('piece'), Math.ceil(maxInfoBytes / metadataPieceBytes));
  if (piece === undefined) throw malformed('a metadata message names no piece');
  switch (value.get('msg_type')) {
    case 0:
      return { type: 'request', piece };
    case 1: {
      const totalBytes = integer(value.get('total_size'), maxInfoBytes) ?? 0;
      return { type: 'data', piece, totalBytes, data: payload.subarray(length) };
    }
    case 2:
      return { type: 'reject', piece };
    default:
      // BEP 9: messages of unknown types are ignored.
      return undefined;
  }
}

function integer(value: BencodeValue | undefined, max: number): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= max ? value : undefined;
}

function fromPeer<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new PeerError('PEER_PROTOCOL', 'the peer sent an extension message that is malformed', {
      cause,
    });
  }
}

const malformed = (what: string) => new PeerError('PEER_PROTOCOL', `the peer is dropped: ${what}`);
