import { PeerError } from '../../errors.ts';
import { encodeMessage, messageId, type BlockRange } from '../message.ts';
import type { V1Row } from './v1-row.ts';

/** What the peer's answers are for, in our own numbers. */
export interface V1WireSink {
  onBlock(piece: number, beginBytes: number, lengthBytes: number): void;
  onBlockBytes(bytes: Buffer): void;
  onReject(range: BlockRange): void;
}

type PartState = 'open' | 'received' | 'rejected';

/** A request of ours that went out in several parts, since it runs over the border of v1 pieces. */
interface SplitRequest {
  readonly range: BlockRange;
  readonly parts: { readonly lengthBytes: number; readonly atBytes: number; state: PartState }[];
  /** How often it was asked for and not answered. */
  asked: number;
  data: Buffer | undefined;
}

/** A request or a cancel: length, number, three fields. */
const requestMessageBytes = 17;
/** The largest request that v1 clients answer; what we ask for starts at multiples of it. */
const requestBytes = 16 << 10;

/**
 * Translates, for a peer that has an image as a v1-only torrent, between our pieces and its own:
 * what is asked for on the way out, blocks and rejections on the way in. What was asked for in parts
 * is gathered, one block at the most, and delivered whole.
 */
export class V1Wire {
  readonly #row: V1Row;
  readonly #sink: V1WireSink;
  readonly #split = new Map<string, SplitRequest>();
  #incoming: { split: SplitRequest; part: number; atBytes: number } | undefined;

  constructor(components: { row: V1Row; sink: V1WireSink }) {
    this.#row = components.row;
    this.#sink = components.sink;
  }

  /** Takes whole messages, requests and cancels alone. @returns them as the peer is to get them */
  translate(messages: Buffer): Buffer {
    const translated: Buffer[] = [];
    for (let at = 0; at < messages.length; at += requestMessageBytes) {
      const range = {
        piece: messages.readUInt32BE(at + 5),
        beginBytes: messages.readUInt32BE(at + 9),
        lengthBytes: messages.readUInt32BE(at + 13),
      };
      const type = messages[at + 4] === messageId.cancel ? 'cancel' : 'request';
      const parts = this.#row.toWire(range);
      if (type === 'request' && parts.length > 1) this.#note(range, parts);
      for (const part of parts) translated.push(encodeMessage({ type, range: part }));
    }
    return Buffer.concat(translated);
  }

  #note(range: BlockRange, parts: readonly BlockRange[]): void {
    const known = this.#split.get(keyOf(range));
    if (known !== undefined) {
      // Asked for again after a choke made it void; both may be answered.
      known.asked += 1;
      return;
    }
    let atBytes = 0;
    const open = parts.map(({ lengthBytes }) => {
      const part = { lengthBytes, atBytes, state: 'open' as PartState };
      atBytes += lengthBytes;
      return part;
    });
    this.#split.set(keyOf(range), { range, parts: open, asked: 1, data: undefined });
  }

  /** @throws PeerError PEER_PROTOCOL when nobody asked for it */
  onBlock(piece: number, beginBytes: number, lengthBytes: number): void {
    const ours = this.#toOurs({ piece, beginBytes, lengthBytes });
    const found = this.#partOf(ours);
    if (found === undefined) this.#sink.onBlock(ours.piece, ours.beginBytes, lengthBytes);
    this.#incoming = found && { ...found, atBytes: 0 };
  }

  onBlockBytes(bytes: Buffer): void {
    const incoming = this.#incoming;
    if (incoming === undefined) {
      this.#sink.onBlockBytes(bytes);
      return;
    }
    const { split } = incoming;
    const part = split.parts[incoming.part];
    if (part === undefined) return;
    split.data ??= Buffer.allocUnsafe(split.range.lengthBytes);
    split.data.set(bytes, part.atBytes + incoming.atBytes);
    incoming.atBytes += bytes.length;
    if (incoming.atBytes < part.lengthBytes) return;
    this.#incoming = undefined;
    part.state = 'received';
    this.#settle(split);
  }

  /** @throws PeerError PEER_PROTOCOL when the request was never sent */
  onReject(range: BlockRange): void {
    const ours = this.#toOurs(range);
    const found = this.#partOf(ours);
    const part = found?.split.parts[found.part];
    if (found === undefined || part === undefined) {
      this.#sink.onReject(ours);
      return;
    }
    part.state = 'rejected';
    this.#settle(found.split);
  }

  #toOurs(range: BlockRange): BlockRange {
    const ours = this.#row.toOurs(range);
    if (ours !== undefined) return ours;
    throw new PeerError('PEER_PROTOCOL', 'the peer answers for what the image has not', {
      evidence: { ...range },
    });
  }

  #partOf(ours: BlockRange): { split: SplitRequest; part: number } | undefined {
    const atBytes = ours.beginBytes % requestBytes;
    const split = this.#split.get(keyOf({ ...ours, beginBytes: ours.beginBytes - atBytes }));
    const part = split?.parts.findIndex((each) => each.atBytes === atBytes) ?? -1;
    if (split?.parts[part]?.lengthBytes !== ours.lengthBytes) return undefined;
    return { split, part };
  }

  /** When all parts are answered the request is: whole, or not at all. */
  #settle(split: SplitRequest): void {
    if (split.parts.some(({ state }) => state === 'open')) return;
    const { range, data } = split;
    const isRejected = split.parts.some(({ state }) => state === 'rejected');
    for (const part of split.parts) part.state = 'open';
    split.data = undefined;
    split.asked -= 1;
    if (split.asked === 0) this.#split.delete(keyOf(range));
    if (isRejected || data === undefined) {
      this.#sink.onReject(range);
      return;
    }
    this.#sink.onBlock(range.piece, range.beginBytes, range.lengthBytes);
    this.#sink.onBlockBytes(data);
  }
}

const keyOf = ({ piece, beginBytes }: BlockRange): string => `${piece}/${beginBytes}`;
