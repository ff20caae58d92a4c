import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { encodeBencode } from '../../../src/image/index.ts';
import type { AnnounceBatch, AnnounceBatchAnswer } from '../../../src/swarm/index.ts';
import { Moments } from '../../tools/moments.ts';

/** A request as it came. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  /** What a host of the fleet said. */
  readonly batch: AnnounceBatch | undefined;
}

export interface PlayedAnswer {
  readonly status?: number;
  readonly body: string | Uint8Array;
}

type Play = (asked: Asked) => PlayedAnswer | undefined | Promise<PlayedAnswer | undefined>;

/** An HTTP server on the loopback address that answers as a test has it; it ends with the test. */
export class PlayedTracker {
  readonly asked: Asked[] = [];
  /** How many connections were opened. */
  connections = 0;
  readonly sockets = new Set<Socket>();
  /** What it answers; undefined: nothing, ever. */
  play: Play;
  readonly server: Server;
  readonly #moments = new Moments();

  private constructor(play: Play) {
    this.play = play;
    this.server = createServer((request, response) => {
      void this.#take(request).then((answer) => {
        if (answer === undefined) return;
        response.statusCode = answer.status ?? 200;
        response.end(answer.body);
      });
    });
    this.server.on('connection', (socket) => {
      this.connections += 1;
      this.sockets.add(socket);
      socket.once('close', () => {
        this.sockets.delete(socket);
        this.#moments.changed();
      });
    });
  }

  static async open(play: Play = playOurs): Promise<PlayedTracker> {
    const tracker = new PlayedTracker(play);
    tracker.server.listen(0, '127.0.0.1');
    await once(tracker.server, 'listening');
    onTestFinished(() => {
      tracker.server.close();
      tracker.server.closeAllConnections();
    });
    return tracker;
  }

  async #take(request: IncomingMessage): Promise<PlayedAnswer | undefined> {
    const { method = '', url = '' } = request;
    const body = await text(request);
    const batch = method === 'POST' ? (JSON.parse(body) as AnnounceBatch) : undefined;
    const asked = { method, url, batch };
    this.asked.push(asked);
    this.#moments.changed();
    return await this.play(asked);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The events that were said, of one swarm or of all. */
  events(infoHash?: string): (string | undefined)[] {
    const claims = this.asked.flatMap(({ batch }) => batch?.swarms ?? []);
    return claims
      .filter((claim) => infoHash === undefined || claim.infoHash === infoHash)
      .map(({ event }) => event);
  }

  /** Waits until it was asked so often. */
  async askedTimes(times: number): Promise<void> {
    await this.#moments.until(() => this.asked.length >= times);
  }

  /** Waits until nobody is connected. */
  async deserted(): Promise<void> {
    await this.#moments.until(() => this.sockets.size === 0);
  }
}

export const intervalMs = 60_000;

type OurSwarm = AnnounceBatchAnswer['swarms'][number];

/** What a tracker of ours answers that knows nobody else. */
export function ourAnswer(
  asked: Asked,
  change: (swarm: OurSwarm) => OurSwarm = (swarm) => swarm,
): PlayedAnswer {
  const swarms = (asked.batch?.swarms ?? []).map(({ infoHash }) =>
    change({ infoHash, seeds: 0, downloaders: 1, peers: [], slots: [null, null] }),
  );
  return { body: JSON.stringify({ intervalMs, swarms }) };
}

const playOurs: Play = (asked) => ourAnswer(asked);

/** What any other tracker answers, with one peer. */
export const foreignAnswer: PlayedAnswer = {
  body: encodeBencode({ interval: 60, peers: Buffer.from('c00002011ae1', 'hex') }),
};
