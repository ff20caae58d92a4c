import type { Server, Socket } from 'node:net';
import { PeerError } from '../../errors.ts';
import { mayHave } from '../../trust/sealed.ts';
import { endpointText } from '../endpoint.ts';
import { Admission, type SealedPeer } from './admission.ts';
import { BlockSource } from './block-source.ts';
import { BufferPool } from './buffer-pool.ts';
import { Connection, type ConnectionComponents } from './connection.ts';
import type { DataLink } from './data-link.ts';
import type { DataBatch, DataCommand, DataEvent, DataPlaneInit } from './data-protocol.ts';
import { failureOf } from './failure.ts';
import { OpenImage } from './open-image.ts';
import { maxHandshakes } from './pending-peers.ts';
import { PieceSink } from './piece-sink.ts';
import { SharedRate } from './shared-rate.ts';
import { TransportLayer, type OpenedSocket } from './transport.ts';
import { WebConnection } from './web-connection.ts';

const tallyMs = 500;
const warnEveryMs = 1_000;
/** Piece buffers that wait for the next piece. */
const poolBytes = 16 << 20;

type CommandOf<Type extends DataCommand['type']> = Extract<DataCommand, { type: Type }>;

/**
 * Carries the data of one thread: its listeners and connections, and the images that they serve and
 * fetch. It decides nothing; see data-protocol.ts. What it reports in one turn of the event loop is
 * posted together.
 */
export class DataPlane {
  readonly #post: (batch: DataBatch) => void;
  readonly #maxConnections: number;
  readonly #transport: TransportLayer;
  readonly #servers: Server[] = [];
  readonly #connections = new Map<number, DataLink>();
  /** Connections that are being opened; there is nothing to read from them yet. */
  readonly #dialing = new Map<number, Socket>();
  readonly #images = new Map<number, OpenImage>();
  readonly #pool = new BufferPool({ limitBytes: poolBytes });
  readonly #source: BlockSource;
  readonly #sink: PieceSink;
  readonly #components: ConnectionComponents;
  readonly #admission = new Admission();
  #nextLink: number;
  #events: DataEvent[] = [];
  #batch = 0;
  #warnedMs = -Infinity;
  readonly #timer: NodeJS.Timeout;

  constructor(components: { post: (batch: DataBatch) => void }, init: DataPlaneInit) {
    this.#post = components.post;
    this.#maxConnections = init.maxConnections;
    this.#nextLink = init.firstAcceptedLink;
    this.#transport = new TransportLayer({ admission: this.#admission }, { tls: init.tls });
    this.#source = new BlockSource({ limitBytes: init.cacheBytes });
    this.#sink = new PieceSink(
      { pool: this.#pool },
      {
        onUnwritten: (image, piece, path, error) => {
          const failure = failureOf(error);
          this.#report({ type: 'unwritten', image: image.key, piece, path, failure });
        },
      },
    );
    this.#components = {
      pool: this.#pool,
      source: this.#source,
      sink: this.#sink,
      uploadRate: new SharedRate(init.uploadRate),
      downloadRate: new SharedRate(init.downloadRate),
      now: () => performance.now(),
      report: (event) => {
        this.#report(event);
      },
      onClose: ({ link }) => this.#connections.delete(link),
    };
    this.#timer = setInterval(() => {
      for (const connection of this.#connections.values()) connection.tellTally();
      this.#endWhoMustGo();
    }, tallyMs);
  }

  #report(event: DataEvent): void {
    if (!mergeVerified(this.#events.at(-1), event) && this.#events.push(event) === 1) {
      setImmediate(() => this.#flush());
    }
    if ('link' in event) {
      const connection = this.#connections.get(event.link);
      if (connection !== undefined) connection.lastBatch = this.#batch + 1;
    }
  }

  #flush(): void {
    const events = this.#events;
    this.#events = [];
    if (events.length > 0) this.#post({ batch: ++this.#batch, events });
  }

  /** Does what the main thread says. */
  obey(command: DataCommand): void {
    switch (command.type) {
      case 'listen':
        void this.#listen(command);
        return;
      case 'dial':
        this.#dial(command);
        return;
      case 'openWebSeed':
        this.#connections.set(command.link, new WebConnection(this.#components, command));
        return;
      case 'members':
        this.#admission.setMembers(command.peerIds);
        return;
      case 'fleet':
        this.#admission.setFleet(command.pass);
        this.#endWhoMustGo();
        return;
      case 'limitsChanged':
        for (const connection of this.#connections.values()) connection.onLimitsChanged();
        return;
      case 'tls':
        this.#transport.setTls(command.tls);
        return;
      case 'heard':
        for (const connection of this.#connections.values()) {
          if (connection.lastBatch <= command.batch) connection.heard();
        }
        return;
      case 'end':
        void this.#end();
        return;
      case 'openImage':
      case 'moveImage':
      case 'shareImage':
      case 'retryWrites':
      case 'closeImage':
        this.#obeyForImage(command);
        return;
      case 'bind':
      case 'peer':
      case 'send':
      case 'want':
      case 'unwant':
      case 'drop':
        this.#obeyForLink(command);
        return;
    }
  }

  /** Closes the connections of peers that are revoked, or whose credential has expired. */
  #endWhoMustGo(): void {
    const now = new Date();
    for (const connection of this.#connections.values()) {
      const why = connection.peer && this.#admission.whyEnd(connection.peer, now);
      if (why !== undefined) connection.close(why);
    }
  }

  #obeyForImage(
    command: CommandOf<'openImage' | 'moveImage' | 'shareImage' | 'retryWrites' | 'closeImage'>,
  ): void {
    if (command.type === 'openImage') {
      this.#images.set(command.image, new OpenImage({ ...command, key: command.image }));
      return;
    }
    const image = this.#images.get(command.image);
    if (image === undefined) return;
    if (command.type === 'retryWrites') this.#sink.retry(image);
    else if (command.type === 'shareImage') image.share = command.share;
    else if (command.type === 'closeImage') this.#closeImage(image);
    else if (command.done) {
      this.#sink.close(image);
      this.#source.closeFiles(image);
      image.tree = command.tree;
      image.movesTo = undefined;
    } else image.movesTo = command.tree;
  }

  #closeImage(image: OpenImage): void {
    for (const connection of this.#connections.values()) {
      if (connection.isOf(image)) connection.close();
    }
    this.#images.delete(image.key);
    this.#sink.whenIdle(image, () => {
      this.#sink.close(image);
      this.#source.close(image);
      this.#report({ type: 'imageClosed', image: image.key });
    });
  }

  #obeyForLink(command: CommandOf<'bind' | 'peer' | 'send' | 'want' | 'unwant' | 'drop'>): void {
    if (command.type === 'drop') this.#dialing.get(command.link)?.destroy();
    const connection = this.#connections.get(command.link);
    if (connection === undefined) return;
    switch (command.type) {
      case 'bind': {
        const image = this.#images.get(command.image);
        if (image !== undefined) connection.bind(image, command.v1PieceSizeBytes);
        return;
      }
      case 'peer':
        connection.setAbilities(command.abilities);
        return;
      case 'send':
        connection.send(command.bytes);
        return;
      case 'want':
        connection.want(command.pieces);
        return;
      case 'unwant':
        connection.unwant(command.pieces);
        return;
      case 'drop':
        connection.close();
        return;
    }
  }

  #dial(command: CommandOf<'dial'>): void {
    const { link } = command;
    let connection: Connection | undefined;
    let refusal: Error | undefined;
    const socket = this.#transport.dial(
      command,
      (opened) => {
        checkApps(opened.peer, command.apps);
        this.#dialing.delete(link);
        connection = this.#open(link, opened);
        connection.send(command.handshake);
      },
      (chunk) => connection?.receive(chunk),
      (error) => {
        refusal = error;
      },
    );
    this.#dialing.set(link, socket);
    socket.on('error', (error) => (refusal ??= error));
    socket.once('close', () => {
      this.#dialing.delete(link);
      // Once it is open, the connection itself tells.
      if (connection !== undefined) return;
      const failure = refusal === undefined ? undefined : failureOf(refusal);
      this.#report({ type: 'closed', link, tally: noTally, failure });
    });
  }

  #open(link: number, { socket, peer }: OpenedSocket): Connection {
    const connection = new Connection(this.#components, { link, socket, peer });
    this.#connections.set(link, connection);
    return connection;
  }

  async #listen(command: CommandOf<'listen'>): Promise<void> {
    const { transport } = command;
    const accept = (opened: OpenedSocket) => {
      const { socket } = opened;
      if (this.#connections.size >= this.#maxConnections) {
        socket.destroy();
        return;
      }
      const link = this.#nextLink--;
      const address = addressOf(socket);
      this.#report({ type: 'accepted', link, address, transport });
      const connection = this.#open(link, opened);
      // Node can't lend a read buffer to accepted sockets.
      socket.on('data', (chunk: Buffer) => {
        connection.receive(chunk);
      });
    };
    const refuse = (error: Error) => {
      this.#warnOfRefusal(error);
    };
    try {
      const server = await this.#transport.listen(command, accept, refuse);
      this.#servers.push(server);
      // Those that are not sealed yet count too, and have a bound of their own.
      server.maxConnections = this.#maxConnections + maxHandshakes;
      server.on('error', (error) => {
        const failure = failureOf(error);
        this.#report({ type: 'warning', message: 'accepting a connection failed', failure });
      });
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      this.#report({ type: 'listening', port });
    } catch (error) {
      this.#report({ type: 'listenFailed', message: failureOf(error).message });
    }
  }

  /** Whoever reaches a port can be refused as often as he likes: that is not told each time. */
  #warnOfRefusal(error: Error): void {
    const now = performance.now();
    if (now - this.#warnedMs < warnEveryMs) return;
    this.#warnedMs = now;
    this.#report({ type: 'warning', message: 'a peer was refused', failure: failureOf(error) });
  }

  /** Closes everything; what was begun on the disk is finished first. */
  async #end(): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.#dialing.values()) socket.destroy();
    this.#transport.close();
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const connection of this.#connections.values()) connection.close();
    for (const image of [...this.#images.values()]) this.#closeImage(image);
    await Promise.all(closed);
    this.#source.closeAll();
    this.#sink.closeAll();
    this.#report({ type: 'ended' });
  }
}

/**
 * That a peer may be told of an image of these apps.
 * @throws PeerError PEER_NOT_MEMBER
 */
function checkApps(peer: SealedPeer | undefined, apps: readonly string[]): void {
  if (peer?.claims === undefined || mayHave(peer.claims, apps)) return;
  const { peerId } = peer;
  throw new PeerError(
    'PEER_NOT_MEMBER',
    `${peerId} may not have this image: its credential allows none of its apps`,
    { evidence: { why: 'app', peerId, apps } },
  );
}

/** Pieces of one connection that are verified one after the other are told together. */
function mergeVerified(last: DataEvent | undefined, event: DataEvent): boolean {
  if (event.type !== 'verified' || last?.type !== 'verified') return false;
  if (event.link !== last.link || event.image !== last.image) return false;
  last.pieces.push(...event.pieces);
  last.tally = event.tally;
  return true;
}

const noTally = { receivedBytes: 0, sentBytes: 0, windowBytes: 0, rateBytesPerSecond: 0 };

const addressOf = ({ remoteAddress = '', remotePort: port = 0 }: Socket): string =>
  endpointText({ host: remoteAddress.replace(/^::ffff:/, ''), port });
