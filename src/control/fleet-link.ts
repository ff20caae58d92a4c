import { isDeepStrictEqual } from 'node:util';
import { isStarlingError } from '../errors.ts';
import { cancellableDelay } from '../swarm/index.ts';
import type { FleetMembership, Identity } from '../trust/sealed.ts';
import type { Clock } from './clock.ts';
import { ControlNode } from './control-node.ts';
import { FleetVerifier } from './fleet-verifier.ts';
import type { Hint } from './hint.ts';
import { Hints } from './hints.ts';
import { join } from './join.ts';
import type { MembershipFile, MembershipRecord } from './membership-file.ts';
import type { ChannelReport, Permit, TrackerMessage } from './messages.ts';
import { PeerLinks } from './peer-links.ts';
import type { BackoffInit } from './backoff.ts';
import { TrackerSession } from './tracker-session.ts';

/** Where it is told what happens, like pino. */
export type FleetLog = Record<
  'debug' | 'info' | 'warn' | 'error',
  (details: object, message: string) => void
>;

/** The settings of one app, as a tracker tells them. */
export interface ToldSettings {
  readonly revision: number;
  /** By NAME, or NAME@ZONE. */
  readonly values: Readonly<Record<string, string | number | boolean>>;
}

export interface FleetLinkComponents {
  readonly identity: Identity;
  /** Shared with the data plane, which asks it whom to let in. */
  readonly membership: FleetMembership;
  readonly file: MembershipFile;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: FleetLog;
}

export interface FleetLinkInit {
  readonly record: MembershipRecord;
  /** Multiaddrs at which other hosts reach this one. */
  readonly listen: readonly string[];
  /** Where this host stands, for the tracker to take or leave. */
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  /** The pauses between tries to have a session. */
  readonly backoff?: BackoffInit | undefined;
}

/** What a program does with what it is told. */
export interface FleetListener {
  readonly follows: readonly { readonly app: string; readonly channel: string }[];
  settingsRevisions(): Record<string, number>;
  onSettings(app: string, settings: ToldSettings): void;
  onPermits(permits: readonly Permit[]): void;
  /** All images that are to be fetched now, released or not. */
  onPreheat(images: readonly { readonly app: string; readonly imageId: string }[]): void;
  /** There may be another release. */
  onNews(): void;
  /** A session with a tracker has begun or ended. */
  onConnected(isConnected: boolean): void;
}

/** An operator looks now and then. */
const askAgainMs = 5_000;

/**
 * This host's end of the control plane: it joins the fleet, keeps a session with a tracker, takes new
 * credentials and revocations, and hands on everything else.
 */
export class FleetLink implements AsyncDisposable {
  readonly #components: FleetLinkComponents;
  readonly #init: FleetLinkInit;
  readonly #node: ControlNode;
  readonly #resources = new AsyncDisposableStack();
  readonly #closing = new AbortController();
  #record: MembershipRecord;
  #writing: Promise<void> = Promise.resolve();
  #session: TrackerSession | undefined;
  #links: PeerLinks | undefined;
  #joining: Promise<void> | undefined;

  private constructor(components: FleetLinkComponents, init: FleetLinkInit, node: ControlNode) {
    this.#components = components;
    this.#init = init;
    this.#record = init.record;
    this.#node = this.#resources.use(node);
  }

  /** Starts to listen; nothing is connected before `join` and `follow`. */
  static async open(components: FleetLinkComponents, init: FleetLinkInit): Promise<FleetLink> {
    const { identity, clock, membership } = components;
    const { credential } = membership;
    const node = await ControlNode.open(
      { identity, clock, verifier: new FleetVerifier({ fleet: membership, clock }) },
      {
        role: 'host',
        listen: init.listen,
        ...(isGood(membership, clock) && credential !== undefined ? { credential } : {}),
      },
    );
    return new FleetLink(components, init, node);
  }

  /**
   * Asks the trackers for a credential, one after the other, until there is one. Whoever waits for an
   * operator goes on asking.
   * @throws TrackerError TRACKER_REFUSED when a tracker says no; the signal's reason
   */
  async join(secret: string | undefined, options: { signal: AbortSignal }): Promise<void> {
    const { log } = this.#components;
    const { labels, version } = this.#init;
    let toldPending = false;
    while (this.#node.claims === undefined) {
      for (const tracker of this.#trackers) {
        try {
          const request = { tracker, labels: { ...labels }, version };
          const answer = await join(
            { node: this.#node },
            secret === undefined ? request : { ...request, secret },
            options,
          );
          if ('credential' in answer) {
            await this.#takeCredential(answer.credential);
            return;
          }
          if (!toldPending) {
            log.info(
              { peerId: this.#node.peerId },
              'this host waits for an operator to approve it',
            );
          }
          toldPending = true;
        } catch (error) {
          options.signal.throwIfAborted();
          if (isStarlingError(error) && error.code === 'TRACKER_REFUSED') throw error;
          log.warn({ err: error, tracker }, 'a tracker can not be asked to join the fleet');
        }
      }
      await cancellableDelay(askAgainMs * (0.75 + this.#components.random() / 2), options.signal);
      options.signal.throwIfAborted();
    }
  }

  /** Keeps a session with a tracker from now on. */
  follow(listener: FleetListener): void {
    const components = { ...this.#components, node: this.#node };
    this.#links = this.#resources.use(new PeerLinks(components));
    this.#resources.use(
      new Hints(components, {
        onHint: (hint) => {
          this.#onHint(hint, listener);
        },
      }),
    );
    this.#session = this.#resources.use(
      new TrackerSession(components, {
        trackers: this.#trackers,
        ...(this.#init.backoff && { backoff: this.#init.backoff }),
        describe: () => ({
          version: this.#init.version,
          follows: [...listener.follows],
          settings: listener.settingsRevisions(),
          revocations: this.#components.membership.revocations?.number,
          addresses: this.#node.addresses.slice(0, 8),
        }),
        onMessage: (message) => {
          this.#onMessage(message, listener);
        },
        onChange: (change) => {
          if (!change.connected) this.#onLost(change.error);
          listener.onConnected(change.connected);
        },
      }),
    );
  }

  /** Those by which this host joined, which its operator may have set up for it, and those that it was told of. */
  get #trackers(): string[] {
    const { trackers, told = [] } = this.#record;
    return [...new Set([...trackers, ...told])];
  }

  /** The tracker's clock; undefined before the first session, and while this host does not belong. */
  get fleetTimeMs(): number | undefined {
    const { membership, clock } = this.#components;
    return isGood(membership, clock) ? this.#session?.fleetTimeMs : undefined;
  }

  /** Says how a channel is here, now or as soon as there is a session. */
  report(report: ChannelReport): void {
    this.#session?.report(report);
  }

  /** A credential that has ended while no tracker was there is asked for anew, by proving who we are. */
  #onLost(error: Error): void {
    const { log, clock, membership } = this.#components;
    log.debug({ err: error }, 'no session with a tracker');
    if (isGood(membership, clock)) return;
    const { signal } = this.#closing;
    this.#joining ??= this.join(undefined, { signal })
      .catch((cause: unknown) => {
        if (!signal.aborted) log.error({ err: cause }, 'this host got no new credential');
      })
      .finally(() => (this.#joining = undefined));
  }

  /** A hint says where to look, and nothing else: what is there, a tracker and signatures say. */
  #onHint(hint: Hint, listener: FleetListener): void {
    if ('channel' in hint) listener.onNews();
    else if (this.#isMissing(hint, listener)) this.#session?.lookNow();
  }

  #isMissing(hint: Exclude<Hint, { channel: string }>, listener: FleetListener): boolean {
    if ('revocations' in hint) {
      return hint.revocations > (this.#components.membership.revocations?.number ?? 0);
    }
    const { settings: app, revision } = hint;
    const isFollowed = listener.follows.some((channel) => channel.app === app);
    return isFollowed && revision > (listener.settingsRevisions()[app] ?? 0);
  }

  #onMessage(message: TrackerMessage, listener: FleetListener): void {
    switch (message.type) {
      case 'welcome':
        return;
      case 'credential':
        void this.#takeCredential(message.text);
        return;
      case 'revocations':
        void this.#takeRevocations(message.text);
        return;
      case 'revocationsWanted':
        this.#showRevocations();
        return;
      case 'settings':
        listener.onSettings(message.app, message);
        return;
      case 'permits':
        listener.onPermits(message.permits);
        return;
      case 'preheat':
        listener.onPreheat(message.images);
        return;
      case 'news':
        listener.onNews();
        return;
      case 'peers':
        this.#links?.offer(message.addresses);
        return;
      case 'trackers':
        void this.#takeTrackers(message.addresses);
        return;
    }
  }

  async #takeCredential(text: string): Promise<void> {
    await this.#take('credential', text, () => {
      this.#components.membership.takeCredential(text);
    });
  }

  /** Who is revoked is thrown out of both planes at once. */
  async #takeRevocations(text: string): Promise<void> {
    await this.#take('revocations', text, () => {
      const { membership } = this.#components;
      try {
        membership.takeRevocations(text);
      } catch (error) {
        // Most likely the tracker's store was restored from a backup, and has forgotten whom it had revoked.
        this.#showRevocations();
        throw error;
      }
      this.#node.revoke(membership.revocations?.peerIds ?? []);
    });
  }

  /** The fleet's key has signed it, so a tracker that lacks it can believe it. */
  #showRevocations(): void {
    const { revocations } = this.#components.membership;
    if (revocations !== undefined) this.#session?.showRevocations(revocations.text);
  }

  /** A tracker that is added later is known by the hosts that joined before it, also after a restart. */
  async #takeTrackers(told: readonly string[]): Promise<void> {
    const before = this.#record;
    await this.#keep("the fleet's trackers", { told: [...told] }, () => {
      this.#session?.setTrackers([...new Set([...before.trackers, ...told])]);
    });
  }

  async #take(what: 'credential' | 'revocations', text: string, take: () => void): Promise<void> {
    await this.#keep(`the ${what}`, { [what]: text }, take);
  }

  /** What is not good is said, and left aside. What is taken holds at once, and is kept. */
  async #keep(what: string, told: Partial<MembershipRecord>, take: () => void): Promise<void> {
    const { log, file } = this.#components;
    try {
      take();
      const record = { ...this.#record, ...told };
      if (isDeepStrictEqual(record, this.#record)) return;
      this.#record = record;
      this.#writing = this.#writing.then(() => file.write(record));
      await this.#writing;
    } catch (error) {
      this.#writing = Promise.resolve();
      log.warn({ err: error }, `${what} that a tracker sent could not be taken or kept`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#joining;
    await this.#resources.disposeAsync();
    await this.#writing.catch(() => undefined);
  }
}

/** Whether this host has a credential that others take. */
const isGood = (membership: FleetMembership, clock: Clock): boolean =>
  membership.whyOutcast(new Date(clock.now())) === undefined;
