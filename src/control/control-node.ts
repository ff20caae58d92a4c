import type { GossipSub } from '@libp2p/gossipsub';
import type { Connection, Libp2p, Stream, StreamHandler } from '@libp2p/interface';
import { isStarlingError, PeerError } from '../errors.ts';
import type { Identity } from '../trust/sealed.ts';
import { parsePeerAddress, type PeerAddress } from './addresses.ts';
import { Admission, credentialProtocol } from './admission.ts';
import type { CredentialClaims } from '../trust/sealed.ts';
import type { CredentialVerifier } from './credential-verifier.ts';
import type { Clock } from './clock.ts';
import type { Services } from './libp2p-node.ts';
import { membersOnly } from './members-only.ts';
import { OwnCredential } from './own-credential.ts';

export interface ControlNodeComponents {
  readonly identity: Identity;
  readonly verifier: CredentialVerifier;
  readonly clock: Clock;
}

export interface ControlNodeInit {
  /** A tracker takes thousands of connections and watches its sessions; a host takes a few. */
  readonly role: 'host' | 'tracker';
  /** Multiaddrs, like `/ip4/0.0.0.0/tcp/7000`; none: this node only connects. */
  readonly listen: readonly string[];
  /** What others are told instead of the addresses of this machine. */
  readonly announce?: readonly string[];
  /** By which this node is a member; without one it can only join. */
  readonly credential?: string;
  /** Who was refused or thrown out here, and why: for the audit log. */
  readonly onRefused?: (peerId: string, remoteAddress: string, error: PeerError) => void;
  /** How long a connection may be open before it has shown a credential, in milliseconds. */
  readonly admissionTimeoutMs?: number;
  /** How often it is looked for credentials that have ended, in milliseconds. */
  readonly sweepMs?: number;
}

/** Whom a stream is handed to. */
export interface HandleInit {
  /** Also who has shown no credential; all others only reach handlers of members. */
  readonly strangers: boolean;
  /** Open at a time on one connection. */
  readonly maxStreams: number;
}

const roles = {
  tracker: {
    maxConnections: 8_192,
    maxInboundPerSecond: 512,
    maxPending: 64,
    maxStrangers: 512,
    floodsHints: false,
    monitorMs: undefined,
  },
  host: {
    maxConnections: 64,
    maxInboundPerSecond: 32,
    maxPending: 16,
    maxStrangers: 32,
    floodsHints: true,
    monitorMs: 30_000,
  },
};
const defaults = { admissionTimeoutMs: 5_000, sweepMs: 500 };
const dialTimeoutMs = 5_000;

/**
 * One node of the control plane: libp2p, with the identity of its host, on which a peer gets nowhere
 * before it has shown a credential of the fleet.
 */
export class ControlNode implements AsyncDisposable {
  readonly peerId: string;
  readonly #libp2p: Libp2p<Services>;
  readonly #admission: Admission;
  readonly #own: OwnCredential;
  readonly #closing = new AbortController();
  readonly #sweeper: NodeJS.Timeout;

  private constructor(
    components: { libp2p: Libp2p<Services>; admission: Admission; own: OwnCredential },
    init: { peerId: string; sweepMs: number },
  ) {
    this.peerId = init.peerId;
    this.#libp2p = components.libp2p;
    this.#admission = components.admission;
    this.#own = components.own;
    this.#sweeper = setInterval(() => this.#admission.sweep(), init.sweepMs).unref();
  }

  /**
   * Starts to listen. What it takes of libp2p is loaded here, not before.
   * @throws PeerError when the credential is not good; Error when an address can't be listened on
   */
  static async open(
    components: ControlNodeComponents,
    init: ControlNodeInit,
  ): Promise<ControlNode> {
    const { identity, verifier, clock } = components;
    const { maxStrangers, ...limits } = roles[init.role];
    const { peerId } = identity;
    const own = new OwnCredential({ verifier }, { peerId });
    if (init.credential !== undefined) own.set(init.credential);
    const admission = new Admission(
      { verifier, own, clock },
      {
        maxStrangers,
        timeoutMs: init.admissionTimeoutMs ?? defaults.admissionTimeoutMs,
        onRefused: (...refused) => init.onRefused?.(...refused),
        onAdmitted: (connection) => void identifyPeer(libp2p, connection),
      },
    );
    const { newLibp2p } = await import('./libp2p-node.ts');
    const libp2p = await newLibp2p(identity, {
      ...limits,
      listen: init.listen,
      announce: init.announce,
      dialTimeoutMs,
      isCrowded: (remoteAddress) => admission.isCrowded(remoteAddress),
      isAdmitted: (other) => admission.claimsOf(other) !== undefined,
    });
    libp2p.addEventListener('connection:open', ({ detail }) => admission.opened(detail));
    libp2p.addEventListener('connection:close', ({ detail }) => {
      const wasStranger = admission.closed(detail);
      // What libp2p notes of peers must not grow with strangers, who cost nothing to make.
      if (wasStranger) libp2p.peerStore.delete(detail.remotePeer).catch(() => undefined);
    });
    await libp2p.handle(
      credentialProtocol,
      (stream, connection) => admission.answer(stream, connection),
      { maxInboundStreams: 8, maxOutboundStreams: 8 },
    );
    await libp2p.start();
    const sweepMs = init.sweepMs ?? defaults.sweepMs;
    return new ControlNode({ libp2p, admission, own }, { peerId, sweepMs });
  }

  /** Where others reach this node: multiaddrs that end with its peer id. */
  get addresses(): string[] {
    return this.#libp2p.getMultiaddrs().map(String);
  }

  /** What this node's own credential says; undefined when it has none. */
  get claims(): CredentialClaims | undefined {
    return this.#own.claims;
  }

  /** For `Hints`. */
  get gossip(): GossipSub {
    return this.#libp2p.services.gossip;
  }

  /** What a connected peer has shown; undefined when it is not connected, or no member. */
  claimsOf(peerId: string): CredentialClaims | undefined {
    return this.#admission.claimsOf(peerId);
  }

  /** The peer ids of members that are connected. */
  members(): string[] {
    return this.#admission.members();
  }

  /**
   * Takes a newer credential of this node and shows it to all that are connected.
   * @throws PeerError when it is not good, or another's; the old one stays
   */
  setCredential(text: string): void {
    this.#own.set(text);
    const { signal } = this.#closing;
    for (const connection of this.#libp2p.getConnections()) {
      if (!this.#admission.isAdmitted(connection)) continue;
      // Who does not take it ends the connection, and says so there.
      this.#admission.introduce(connection, { signal }).catch(() => undefined);
    }
  }

  /**
   * Closes the connections of these peers at once. The verifier must know that they are revoked before:
   * it is what keeps them out.
   */
  revoke(peerIds: Iterable<string>): void {
    this.#admission.revoke(peerIds);
  }

  /**
   * Connects to a member, or takes the connection that there is.
   * @param address as `parsePeerAddress` reads it
   * @throws ConfigError, PeerError; the signal's reason
   */
  async connect(address: string, options: { signal: AbortSignal }): Promise<Connection> {
    const peer = parsePeerAddress(address);
    const { signal } = options;
    const connection = await this.#dial(peer, signal);
    if (!this.#admission.isAdmitted(connection)) {
      await this.#admission.introduce(connection, { signal });
    }
    return connection;
  }

  /**
   * Connects without showing a credential, to join.
   * @throws ConfigError, PeerError; the signal's reason
   */
  async connectAsStranger(address: string, options: { signal: AbortSignal }): Promise<Connection> {
    return await this.#dial(parsePeerAddress(address), options.signal);
  }

  /** @throws PeerError when the peer does not speak the protocol, or is gone; the signal's reason */
  async openStream(
    connection: Connection,
    protocol: string,
    options: { signal: AbortSignal },
  ): Promise<Stream> {
    try {
      return await connection.newStream(protocol, options);
    } catch (cause) {
      options.signal.throwIfAborted();
      const peer = connection.remotePeer.toString();
      throw unreachable(`${peer} does not answer to ${protocol}`, cause);
    }
  }

  /** Hands streams of a protocol to `handler` from now on. */
  async handle(protocol: string, handler: StreamHandler, init: HandleInit): Promise<void> {
    const isAdmitted = (peerId: string) => this.claimsOf(peerId) !== undefined;
    const guarded = init.strangers ? handler : membersOnly(handler, isAdmitted);
    const limits = { maxInboundStreams: init.maxStreams, maxOutboundStreams: init.maxStreams };
    await this.#libp2p.handle(protocol, guarded, limits);
  }

  async unhandle(protocol: string): Promise<void> {
    await this.#libp2p.unhandle(protocol);
  }

  /** Gives a stranger longer, in milliseconds from now, since what was asked is being answered. */
  extend(connection: Connection, ms: number): void {
    this.#admission.extend(connection, ms);
  }

  async #dial(peer: PeerAddress, signal: AbortSignal): Promise<Connection> {
    const { peerId, multiaddr } = peer;
    if (this.#closing.signal.aborted) throw unreachable('this node is closed');
    try {
      return await this.#libp2p.dial(multiaddr, {
        signal: AbortSignal.any([signal, this.#closing.signal, AbortSignal.timeout(dialTimeoutMs)]),
      });
    } catch (cause) {
      signal.throwIfAborted();
      throw unreachable(`${peerId} can't be reached at ${multiaddr.toString()}`, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#sweeper);
    await this.#libp2p.stop();
  }
}

/** Learns which protocols a member speaks; gossipsub begins by that. */
async function identifyPeer(libp2p: Libp2p<Services>, connection: Connection): Promise<void> {
  try {
    await libp2p.services.identify.identify(connection);
  } catch (error) {
    // It went at that moment, or is stuck: a connection without gossip is of no use.
    connection.abort(error instanceof Error ? error : new Error(String(error)));
  }
}

function unreachable(what: string, cause?: unknown): PeerError {
  if (isStarlingError(cause) && cause instanceof PeerError) return cause;
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new PeerError('PEER_CLOSED', `${what}${why}`, { cause });
}
