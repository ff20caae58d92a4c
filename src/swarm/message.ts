/**
 * The messages of the peer wire protocol: BEP 3, fast extension (BEP 6), extension protocol
 * (BEP 10) and hash requests (BEP 52).
 */
export const messageId = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  suggestPiece: 13,
  haveAll: 14,
  haveNone: 15,
  rejectRequest: 16,
  allowedFast: 17,
  extended: 20,
  hashRequest: 21,
  hashes: 22,
  hashReject: 23,
} as const;

/** A range of one piece, one block or less. */
export interface BlockRange {
  readonly piece: number;
  readonly beginBytes: number;
  readonly lengthBytes: number;
}

/** Which hashes of a file's merkle tree are meant (BEP 52, 'hash request'). */
export interface HashRange {
  readonly root: Uint8Array;
  /** The height of the hashes above the leaves. */
  readonly baseLayer: number;
  readonly index: number;
  readonly length: number;
  readonly proofLayers: number;
}

export type Message =
  | { readonly type: 'keepAlive' | 'choke' | 'unchoke' | 'interested' | 'notInterested' }
  | { readonly type: 'haveAll' | 'haveNone' }
  | { readonly type: 'have' | 'suggestPiece' | 'allowedFast'; readonly piece: number }
  | { readonly type: 'bitfield'; readonly bits: Uint8Array }
  | { readonly type: 'request' | 'cancel' | 'rejectRequest'; readonly range: BlockRange }
  | {
      readonly type: 'piece';
      readonly piece: number;
      readonly beginBytes: number;
      readonly data: Uint8Array;
    }
  | { readonly type: 'extended'; readonly id: number; readonly payload: Uint8Array }
  | { readonly type: 'hashRequest' | 'hashReject'; readonly range: HashRange }
  | { readonly type: 'hashes'; readonly range: HashRange; readonly hashes: Uint8Array }
  | { readonly type: 'unknown'; readonly id: number };

const hashRangeBytes = 48;

/** The bytes before the data of a `piece` message, its length prefix among them. */
export const pieceHeaderBytes = 13;

/** Writes the header of a `piece` message; the data follows it. */
export function encodePieceHeaderInto(
  bytes: Buffer,
  at: number,
  piece: number,
  beginBytes: number,
  lengthBytes: number,
): void {
  bytes.writeUInt32BE(9 + lengthBytes, at);
  bytes[at + 4] = messageId.piece;
  bytes.writeUInt32BE(piece, at + 5);
  bytes.writeUInt32BE(beginBytes, at + 9);
}

function encodePieceHeader(piece: number, beginBytes: number, lengthBytes: number): Buffer {
  const header = Buffer.allocUnsafe(pieceHeaderBytes);
  encodePieceHeaderInto(header, 0, piece, beginBytes, lengthBytes);
  return header;
}

/** The bytes of a message, with its length prefix. */
export function encodeMessage(message: Message): Buffer {
  switch (message.type) {
    case 'keepAlive':
      return Buffer.alloc(4);
    case 'choke':
    case 'unchoke':
    case 'interested':
    case 'notInterested':
    case 'haveAll':
    case 'haveNone':
      return frame(messageId[message.type]);
    case 'have':
    case 'suggestPiece':
    case 'allowedFast':
      return frame(messageId[message.type], uint32(message.piece));
    case 'bitfield':
      return frame(messageId.bitfield, message.bits);
    case 'request':
    case 'cancel':
    case 'rejectRequest':
      return frame(messageId[message.type], encodeBlockRange(message.range));
    case 'piece':
      return Buffer.concat([
        encodePieceHeader(message.piece, message.beginBytes, message.data.length),
        message.data,
      ]);
    case 'extended':
      return frame(messageId.extended, Uint8Array.of(message.id), message.payload);
    case 'hashRequest':
    case 'hashReject':
      return frame(messageId[message.type], encodeHashRange(message.range));
    case 'hashes':
      return frame(messageId.hashes, encodeHashRange(message.range), message.hashes);
    case 'unknown':
      return frame(message.id);
  }
}

function frame(id: number, ...payload: Uint8Array[]): Buffer {
  const length = payload.reduce((sum, part) => sum + part.length, 1);
  const head = Buffer.allocUnsafe(5);
  head.writeUInt32BE(length, 0);
  head[4] = id;
  return Buffer.concat([head, ...payload]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const encodeBlockRange = ({ piece, beginBytes, lengthBytes }: BlockRange): Buffer =>
  Buffer.concat([uint32(piece), uint32(beginBytes), uint32(lengthBytes)]);

const encodeHashRange = (range: HashRange): Buffer =>
  Buffer.concat([
    range.root,
    uint32(range.baseLayer),
    uint32(range.index),
    uint32(range.length),
    uint32(range.proofLayers),
  ]);

/**
 * Reads the body of a message, without its length prefix. Byte arrays in the result are views.
 * @returns undefined when the length does not fit the kind of message.
 */
export function parseMessage(body: Buffer): Message | undefined {
  const id = body[0];
  if (id === undefined) return { type: 'keepAlive' };
  switch (id) {
    case messageId.choke:
      return ifLength(body, 1, () => ({ type: 'choke' }));
    case messageId.unchoke:
      return ifLength(body, 1, () => ({ type: 'unchoke' }));
    case messageId.interested:
      return ifLength(body, 1, () => ({ type: 'interested' }));
    case messageId.notInterested:
      return ifLength(body, 1, () => ({ type: 'notInterested' }));
    case messageId.haveAll:
      return ifLength(body, 1, () => ({ type: 'haveAll' }));
    case messageId.haveNone:
      return ifLength(body, 1, () => ({ type: 'haveNone' }));
    case messageId.have:
      return ifLength(body, 5, () => ({ type: 'have', piece: body.readUInt32BE(1) }));
    case messageId.suggestPiece:
      return ifLength(body, 5, () => ({ type: 'suggestPiece', piece: body.readUInt32BE(1) }));
    case messageId.allowedFast:
      return ifLength(body, 5, () => ({ type: 'allowedFast', piece: body.readUInt32BE(1) }));
    case messageId.bitfield:
      return { type: 'bitfield', bits: body.subarray(1) };
    case messageId.request:
      return ifLength(body, 13, () => ({ type: 'request', range: blockRange(body) }));
    case messageId.cancel:
      return ifLength(body, 13, () => ({ type: 'cancel', range: blockRange(body) }));
    case messageId.rejectRequest:
      return ifLength(body, 13, () => ({ type: 'rejectRequest', range: blockRange(body) }));
    case messageId.piece:
      return body.length < 9 ? undefined : pieceMessage(body);
    case messageId.extended:
      return body.length < 2
        ? undefined
        : { type: 'extended', id: body.readUInt8(1), payload: body.subarray(2) };
    case messageId.hashRequest:
      return ifLength(body, 1 + hashRangeBytes, () => ({
        type: 'hashRequest',
        range: hashRange(body),
      }));
    case messageId.hashReject:
      return ifLength(body, 1 + hashRangeBytes, () => ({
        type: 'hashReject',
        range: hashRange(body),
      }));
    case messageId.hashes:
      return body.length < 1 + hashRangeBytes || (body.length - 1 - hashRangeBytes) % 32 !== 0
        ? undefined
        : { type: 'hashes', range: hashRange(body), hashes: body.subarray(1 + hashRangeBytes) };
    default:
      return { type: 'unknown', id };
  }
}

const ifLength = (body: Buffer, length: number, make: () => Message): Message | undefined =>
  body.length === length ? make() : undefined;

const pieceMessage = (body: Buffer): Message => ({
  type: 'piece',
  piece: body.readUInt32BE(1),
  beginBytes: body.readUInt32BE(5),
  data: body.subarray(9),
});

const blockRange = (body: Buffer): BlockRange => ({
  piece: body.readUInt32BE(1),
  beginBytes: body.readUInt32BE(5),
  lengthBytes: body.readUInt32BE(9),
});

const hashRange = (body: Buffer): HashRange => ({
  root: body.subarray(1, 33),
  baseLayer: body.readUInt32BE(33),
  index: body.readUInt32BE(37),
  length: body.readUInt32BE(41),
  proofLayers: body.readUInt32BE(45),
});

/** How many requests may wait; what is advertised as `reqq` (BEP 10). */
export const requestQueueLimit = 2_000;
