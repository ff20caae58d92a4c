import { isStarlingError } from '../errors.ts';
import type { Endpoint } from './announce.ts';
import type { Connections } from './connections.ts';
import type { DataLanes } from './data/data-lanes.ts';
import type { Transport } from './data/data-protocol.ts';
import type { DialBook } from './dial-book.ts';
import { encodeHandshake } from './handshake.ts';
import { whyUnanswered } from './refusals.ts';
import type { SealedMembers } from './sealed-members.ts';
import type { Swarm } from './swarm.ts';
import type { SwarmTies } from './swarm-announcing.ts';
import { endpointText } from './endpoint.ts';
import type { IsConnected } from './ties.ts';
import type { Welcome } from './welcome.ts';

export interface DialerComponents {
  readonly swarm: Swarm;
  readonly dials: DialBook;
  readonly lanes: DataLanes;
  readonly connections: Connections;
  readonly members: SealedMembers;
  readonly welcome: Welcome;
}

export interface DialerInit {
  /** What this host calls itself in handshakes, 20 bytes. */
  readonly peerId: Buffer;
  /** The peer id that its certificate proves, where it is sealed. */
  readonly identity: string | undefined;
  readonly transport: Transport;
  /** The hashes by which this host asks for the image, the best first. */
  readonly hashes: () => readonly Buffer[];
  /** The apps under which this host has the image, as of now. */
  readonly apps: ReadonlySet<string>;
}

const wantedPeers = 50;
/** With fewer ties there are not too many connections. */
const fewestTies = 6;

/** Opens the connections of one swarm: to whom, how many, and what comes of those that fail. */
export class Dialer {
  readonly #components: DialerComponents;
  readonly #init: DialerInit;
  #closed = false;
  /** How many ties were missing when a tracker said last whom to be connected to. */
  #missed = 0;

  constructor(components: DialerComponents, init: DialerInit) {
    this.#components = components;
    this.#init = init;
  }

  /** @param hash the info-hash under which they are known, to be tried first */
  add(endpoints: readonly Endpoint[], hash?: Buffer): void {
    this.#components.dials.add(endpoints, hash);
    this.dialMore();
  }

  /**
   * A tracker of ours says whom to be connected to. Connections to others of the fleet are ended when
   * nothing is on its way: too many at a time, and each piece takes long to be whole. A tracker that
   * has just started knows few hosts yet, and is not a reason to leave the others.
   */
  tie({ endpoints, spares }: SwarmTies): void {
    const { swarm, dials } = this.#components;
    // Two that have everything have nothing to say to each other.
    const ties = endpoints.filter(({ isWhole }) => !isWhole || !swarm.isWhole);
    dials.setTies({ ties, spares: swarm.isWhole ? [] : spares }, this.#isConnected());
    this.#missed = this.missing;
    if (endpoints.length >= fewestTies) {
      const named = new Set(endpoints.map(endpointText));
      for (const peer of swarm.peers) {
        if (!peer.outgoing || peer.extension?.place === undefined) continue;
        if (named.has(peer.address) || dials.ties.hasKey(peer.address)) continue;
        if (swarm.isIdle(peer)) peer.close();
      }
    }
    this.dialMore();
  }

  /** How many of its ties this host can't reach and has no spare for, while it fetches. */
  get missing(): number {
    const { swarm, dials } = this.#components;
    return swarm.isWhole ? 0 : dials.ties.missing(this.#isConnected());
  }

  /** Whether more are missing than when the tracker last said whom to be connected to; once. */
  takeLoss(): boolean {
    const { missing } = this;
    const hasLost = missing > this.#missed;
    this.#missed = missing;
    return hasLost;
  }

  #isConnected(): IsConnected {
    const connected = new Set([...this.#components.swarm.peers].map((peer) => peer.listenAddress));
    return (key) => connected.has(key);
  }

  /** Who has an image whole waits to be asked, but for those that it is tied to. */
  dialMore(): void {
    const { swarm, dials, connections } = this.#components;
    const isConnected = this.#isConnected();
    while (
      !this.#closed &&
      (!swarm.isWhole || !dials.ties.isEmpty) &&
      swarm.state !== 'failed' &&
      swarm.peers.size + dials.dialing < wantedPeers &&
      !connections.isFull
    ) {
      const endpoint = dials.next((other) => isConnected(endpointText(other)));
      if (endpoint === undefined) return;
      this.#dial(endpoint);
    }
  }

  #dial(endpoint: Endpoint): void {
    const { swarm, dials, lanes, connections, members, welcome } = this.#components;
    const { peerId, identity, transport, hashes, apps } = this.#init;
    const infoHash = dials.hashFor(endpoint, hashes()) ?? swarm.hashes.infoHash;
    const link = lanes.dial(endpoint, {
      transport,
      handshake: Uint8Array.from(encodeHandshake({ infoHash, peerId })),
      apps: [...apps],
    });
    const shown = members.ownClaims;
    const init = { address: endpointText(endpoint), outgoing: true };
    const peer = connections.take(link, init, (handshake) => {
      dials.succeeded(endpoint);
      welcome.take(peer, handshake, () => {
        dials.forgo(endpoint);
      });
    });
    peer.onEnd = (error) => {
      if (peer.handshake === undefined) {
        swarm.onUnreached(whyUnanswered(peer.address, error, identity));
      }
      if (swarm.isBanned(peer.id)) dials.forgo(endpoint);
      else if (peer.handshake === undefined && !neverOpened(error)) {
        dials.unanswered(endpoint, hashes());
        this.dialMore();
      } else if (members.hasExpired(peer.claims, shown)) {
        // A credential that was renewed is shown by a new connection alone.
        dials.ended(endpoint, { again: true });
        this.dialMore();
      } else dials.ended(endpoint);
    };
  }

  /** The swarm is left: nobody is connected to any more. */
  close(): void {
    this.#closed = true;
  }
}

/** Nobody was reached, who could have known the image under another hash. */
const neverOpened = (error: Error | undefined): boolean =>
  isStarlingError(error) &&
  typeof error.evidence.code === 'string' &&
  error.evidence.code !== 'PEER_CLOSED';
