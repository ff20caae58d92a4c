import { multiaddr } from '@multiformats/multiaddr';
import { ipOf, parsePeerAddress } from './addresses.ts';
import type { Clock } from './clock.ts';
import type { HostSession } from './host-session.ts';

export interface PeerIntroductionsComponents {
  /** The hosts that have a session here. */
  readonly sessions: () => Iterable<HostSession>;
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly random: () => number;
}

export interface PeerIntroductionsInit {
  /** How many other hosts a host is told of; it connects to some of them. */
  readonly count?: number;
  /** How often it is looked, in milliseconds. */
  readonly everyMs?: number;
  /** After how long a host is told of others, in milliseconds: hosts come and go. */
  readonly againMs?: number;
}

const defaults = { count: 16, everyMs: 10_000, againMs: 600_000 };

interface Told {
  readonly count: number;
  readonly atMs: number;
}

/**
 * The tracker's part in that hosts know each other: it tells each of a few others, chosen by chance, so
 * that what they connect to is one whole, however hosts come and go.
 */
export class PeerIntroductions implements Disposable {
  readonly #components: PeerIntroductionsComponents;
  readonly #init: Required<PeerIntroductionsInit>;
  readonly #told = new WeakMap<HostSession, Told>();
  readonly #timer: NodeJS.Timeout;

  constructor(components: PeerIntroductionsComponents, init: PeerIntroductionsInit = {}) {
    this.#components = components;
    this.#init = { ...defaults, ...init };
    this.#timer = setInterval(() => this.#look(), this.#init.everyMs).unref();
  }

  #look(): void {
    const hosts = [...this.#components.sessions()].flatMap((session) => {
      const address = ownAddress(session);
      return address === undefined ? [] : [{ session, address }];
    });
    for (const session of this.#components.sessions()) this.#tell(session, hosts);
  }

  #tell(
    session: HostSession,
    hosts: readonly { readonly session: HostSession; readonly address: string }[],
  ): void {
    const { clock, random } = this.#components;
    const { count, againMs } = this.#init;
    const atMs = clock.uptime();
    const told = this.#told.get(session) ?? { count: 0, atMs: -Infinity };
    if (told.count >= Math.min(count, hosts.length - 1) && atMs - told.atMs < againMs) return;
    const chosen = new Set<string>();
    // A few more draws than are needed: some meet the host itself, or one that was drawn.
    for (let draw = 0; draw < 4 * count && chosen.size < count; draw++) {
      const host = hosts[Math.floor(random() * hosts.length)];
      if (host !== undefined && host.session !== session) chosen.add(host.address);
    }
    if (chosen.size === 0) return;
    this.#told.set(session, { count: chosen.size, atMs });
    session.send({ type: 'peers', addresses: [...chosen] });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * Where a host says that it is reached: at the IP address from which it is seen here, if it names that.
 * An address of another peer id it has no say in.
 */
function ownAddress({ peerId, hello, remoteAddress }: HostSession): string | undefined {
  const seenAt = ipOf(multiaddr(remoteAddress));
  const own = hello.addresses.flatMap((address) => {
    try {
      const peer = parsePeerAddress(address);
      return peer.peerId === peerId ? [{ address, ip: ipOf(peer.multiaddr) }] : [];
    } catch {
      return [];
    }
  });
  const isLocal = (ip: string) => ip === '::1' || ip.startsWith('127.');
  return (own.find(({ ip }) => ip === seenAt) ?? own.find(({ ip }) => !isLocal(ip)))?.address;
}
