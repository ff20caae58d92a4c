import { createSocket, type RemoteInfo, type Socket, type SocketType } from 'node:dgram';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import { isIP, isIPv6 } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { PeerError } from '../src/errors.ts';
import type { Announcer } from './announcer.ts';
import { ConnectionIds } from './connection-ids.ts';
import type { DatagramOutcome, TrackerMetrics } from './metrics.ts';
import { packAddress } from './peer-address.ts';
import * as messages from './udp-messages.ts';

export interface UdpServerComponents {
  readonly announcer: Announcer;
  readonly metrics: TrackerMetrics;
  readonly log: FastifyBaseLogger;
  readonly monotonicMs: () => number;
}

/** What came of a datagram: how much of the answer buffer is the answer, if there is one. */
interface Answered {
  readonly outcome: DatagramOutcome;
  readonly length: number;
}

const nothing: Answered = { outcome: 'ignored', length: 0 };

/** How much the system keeps for us while we are busy: about a thousand announces. */
const receiveBufferBytes = 1 << 20;
const maxQueuedBytes = 1 << 20;
/** Shorter than any request that gets it, so that nobody can be flooded by a forged address. */
const wrongId = 'wrong or old connection id';

/** Announces and scrapes over UDP (BEP 15), of ordinary clients: what is sealed speaks HTTP. */
export class UdpServer {
  readonly #components: UdpServerComponents;
  readonly #limits: messages.UdpLimits;
  readonly #ids = new ConnectionIds();
  readonly #socket: Socket;
  /** Each answer is written here, and is as a rule with the system when `send` returns. */
  #answer = Buffer.alloc(messages.maxAnswerBytes);

  private constructor(components: UdpServerComponents, limits: messages.UdpLimits, host: string) {
    this.#components = components;
    this.#limits = limits;
    const type: SocketType = isIPv6(host) ? 'udp6' : 'udp4';
    this.#socket = createSocket({ type, recvBufferSize: receiveBufferBytes, lookup: lookUp });
    this.#socket.on('message', (data, from) => {
      this.#receive(data, from);
    });
  }

  /** Binds; throws what the system says. */
  static async listen(
    components: UdpServerComponents,
    init: messages.UdpLimits & { readonly host: string; readonly port: number },
  ): Promise<UdpServer> {
    const server = new UdpServer(components, init, init.host);
    const socket = server.#socket;
    const listening = once(socket, 'listening');
    socket.bind(init.port, init.host);
    try {
      await listening;
    } catch (error) {
      socket.close();
      throw error;
    }
    socket.on('error', (error) => {
      components.log.error({ err: error }, 'the UDP socket failed');
    });
    return server;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #receive(data: Buffer, { address, port }: RemoteInfo): void {
    const socket = this.#socket;
    // Who has no port can't be answered; and answers that the network does not take are not piled up.
    const deaf = port === 0 || socket.getSendQueueSize() > maxQueuedBytes;
    const { outcome, length } = deaf ? nothing : this.#respond(data, packAddress(address));
    this.#components.metrics.countDatagram(outcome);
    if (length === 0) return;
    // Without a callback: an answer that can't be sent is lost, as any datagram may be.
    socket.send(this.#answer, 0, length, port, address);
    if (socket.getSendQueueCount() > 0) this.#answer = Buffer.alloc(messages.maxAnswerBytes);
  }

  #respond(data: Buffer, address: string | undefined): Answered {
    const head = messages.readHead(data);
    if (head === undefined || address === undefined) return nothing;
    const { transaction } = head;
    const { monotonicMs } = this.#components;
    if (head.action === 'connect') {
      const id = this.#ids.issue(address, monotonicMs());
      const length = messages.writeConnect(this.#answer, transaction, id);
      return { outcome: 'connect', length };
    }
    if (!this.#ids.accepts(head.connectionId, address, monotonicMs())) {
      const length = messages.writeError(this.#answer, transaction, wrongId);
      return length <= data.length ? { outcome: 'error', length } : nothing;
    }
    try {
      if (head.action === 'announce') return this.#announce(data, address, transaction);
      if (head.action === 'scrape') return this.#scrape(data, transaction);
      return this.#refuse(transaction, 'action must be a number from 0 to 2');
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      if (head.action === 'announce') {
        this.#components.metrics.countAnnounce('unknown', 'refused');
      }
      return this.#refuse(transaction, error.message);
    }
  }

  #announce(data: Buffer, address: string, transaction: number): Answered {
    const { announcer, metrics } = this.#components;
    const announcement = messages.readAnnounce(data, address, this.#limits);
    const { result, intervalMs } = announcer.announce(announcement);
    metrics.countAnnounce(announcement.event, result === 'full' ? 'full' : 'done');
    if (result === 'full') {
      return this.#refuse(transaction, 'this tracker has no room for more peers: try again later');
    }
    const { seeds, downloaders, completed, peers } = result;
    const answer = { seeds, downloaders, completed, peers, intervalMs };
    const length = messages.writeAnnounce(this.#answer, transaction, answer);
    return { outcome: 'announce', length };
  }

  #scrape(data: Buffer, transaction: number): Answered {
    const { announcer } = this.#components;
    const swarms = messages.readScrape(data).map((infoHash) => announcer.counts(infoHash));
    return { outcome: 'scrape', length: messages.writeScrape(this.#answer, transaction, swarms) };
  }

  #refuse(transaction: number, message: string): Answered {
    const length = messages.writeError(this.#answer, transaction, message);
    return { outcome: 'error', length };
  }
}

/** Addresses are taken as they are, at once: the usual look-up costs a turn of the event loop. */
const lookUp: typeof lookup = ((
  host: string,
  family: number,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
) => {
  const kind = isIP(host);
  if (kind === 0) lookup(host, family, callback);
  else callback(null, host, kind);
}) as typeof lookup;
