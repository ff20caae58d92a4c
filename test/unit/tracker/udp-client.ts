import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { onTestFinished } from 'vitest';

export const protocolId = 0x417_2710_1980n;

export interface UdpAnnounce {
  readonly infoHash?: string;
  readonly peerId?: string;
  readonly left?: bigint;
  readonly event?: number;
  readonly wanted?: number;
  readonly port?: number;
  /** What follows the fixed part (BEP 41). */
  readonly options?: Uint8Array;
}

export function requestHead(connectionId: bigint, action: number, transaction: number): Buffer {
  const head = Buffer.alloc(16);
  head.writeBigUInt64BE(connectionId, 0);
  head.writeUInt32BE(action, 8);
  head.writeUInt32BE(transaction, 12);
  return head;
}

/** An announce as BEP 15 lays it out, with an address in it that must not count. */
export function announceDatagram(
  connectionId: bigint,
  transaction: number,
  announce: UdpAnnounce = {},
): Buffer {
  const { infoHash = 'h'.repeat(20), peerId = 'p'.repeat(20), left = 5n, event = 0 } = announce;
  const fixed = Buffer.alloc(98);
  requestHead(connectionId, 1, transaction).copy(fixed);
  fixed.write(infoHash, 16, 'latin1');
  fixed.write(peerId, 36, 'latin1');
  fixed.writeBigUInt64BE(left, 64);
  fixed.writeUInt32BE(event, 80);
  fixed.writeUInt32BE(0xcb007109, 84);
  fixed.writeInt32BE(announce.wanted ?? -1, 92);
  fixed.writeUInt16BE(announce.port ?? 6_881, 96);
  return Buffer.concat([fixed, announce.options ?? Buffer.alloc(0)]);
}

/** A socket that asks, and waits for the answer to what it asked last. */
export class UdpClient {
  readonly #socket;
  readonly #port: number;
  readonly #host: string;

  constructor(port: number, host = '127.0.0.1') {
    this.#socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    this.#port = port;
    this.#host = host;
    onTestFinished(() => {
      this.#socket.close();
    });
  }

  send(datagram: Uint8Array): void {
    this.#socket.send(datagram, this.#port, this.#host);
  }

  async ask(datagram: Uint8Array): Promise<Buffer> {
    const answered = once(this.#socket, 'message');
    this.send(datagram);
    const [answer] = (await answered) as [Buffer];
    return answer;
  }

  async connect(): Promise<bigint> {
    const answer = await this.ask(requestHead(protocolId, 0, 7));
    return answer.readBigUInt64BE(8);
  }

  async announce(announce: UdpAnnounce = {}): Promise<Buffer> {
    return this.ask(announceDatagram(await this.connect(), 8, announce));
  }
}
