import { randomBytes } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import {
  ControlNode,
  FleetVerifier,
  Hints,
  JoinServer,
  type Clock,
  type Hint,
  type TrackerMessage,
} from '../../src/control/index.ts';
import { isNeedType, type NeedType } from '../../src/image/index.ts';
import type { Release } from '../../src/trust/index.ts';
import { Identity, issueCredential, readRevocations } from '../../src/trust/sealed.ts';
import { AuditLog } from '../audit/index.ts';
import type { Change, Store } from '../store/index.ts';
import { Forgotten } from './forgotten.ts';
import { FleetSessions } from './fleet-sessions.ts';
import { FleetSettings, parseSettings, settingsPrefix } from './fleet-settings.ts';
import { defaultMembersInit, Members } from './members.ts';
import { listAll, parseEntry, put } from './entries.ts';
import {
  revocationsKey,
  revocationsSchema,
  trackerAddressesSchema,
  trackerAddressPrefix,
} from './records.ts';
import { HostPins } from './host-pins.ts';
import { HostTable } from './host-table.ts';
import { NewestRevocations } from './newest-revocations.ts';
import { Preheats } from './preheats.ts';
import { RolloutDriver } from './rollouts.ts';
import { Watches } from './watches.ts';

export interface FleetComponents {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
  readonly random: () => number;
  /** The newest release of each channel, as this tracker serves it. */
  readonly releases: () => readonly Release[];
}

export interface FleetInit {
  /** Where the fleet's key and this tracker's own are. */
  readonly directory: string;
  /** Multiaddrs to listen at, like `/ip4/0.0.0.0/tcp/7071`. */
  readonly listen: readonly string[];
  /** What hosts are told instead of the addresses of this machine. */
  readonly announce?: readonly string[] | undefined;
  /** How long credentials are good, in milliseconds. */
  readonly credentialMs: number;
  /** Whether other trackers have the same store. */
  readonly isShared: boolean;
}

const fleetKeyName = 'fleet.key';
const ownKeyName = 'control.key';
/** A token names so many. */
const mostTrackers = 16;
/** Of more channels than these at once nothing is said: hosts look again by themselves. */
const mostNews = 256;
const mostHints = 16;
/** Hints are for hosts without a session: those that have one are told first, and are not held up. */
const settingsHintDelayMs = 1_000;
/** A tracker makes its own credential anew long before it ends. */
const ownRenewalShare = 0.5;

/**
 * What a tracker is to a fleet: it says who belongs, keeps the sessions, and passes on what changes in
 * the store, whichever tracker has changed it.
 */
export class Fleet implements AsyncDisposable {
  readonly members: Members;
  readonly settings: FleetSettings;
  readonly audit: AuditLog;
  readonly store: Store;
  readonly pins: HostPins;
  /** What this tracker follows of what others change. */
  readonly watches: Watches;
  readonly clock: Clock;
  readonly #components: FleetComponents;
  readonly #init: FleetInit;
  readonly #fleetKey: Identity;
  readonly #revocations: NewestRevocations;
  readonly #resources = new AsyncDisposableStack();
  readonly #closing = new AbortController();
  /** By app, the revision that will be hinted at. */
  readonly #hintedSoon = new Map<string, number>();
  #node!: ControlNode;
  #sessions!: FleetSessions;
  #hints!: Hints;
  #rollouts!: RolloutDriver;
  #preheats!: Preheats;
  #hosts!: HostTable;

  private constructor(components: FleetComponents, init: FleetInit, fleetKey: Identity) {
    this.#components = components;
    this.#init = init;
    this.#fleetKey = fleetKey;
    const { store, clock } = components;
    this.store = store;
    this.clock = clock;
    this.audit = new AuditLog({ store, now: clock.now });
    this.watches = new Watches(components);
    this.#revocations = new NewestRevocations({ fleetId: fleetKey.peerId });
    const needTypes = (app: string, name: string) => needTypesOf(components.releases(), app, name);
    this.settings = new FleetSettings({ store, audit: this.audit, needTypes });
    this.pins = new HostPins({ store, audit: this.audit });
    this.members = new Members(
      { store, audit: this.audit, fleetKey, now: clock.now, randomBytes },
      { ...defaultMembersInit, credentialMs: init.credentialMs },
    );
  }

  /** Whether a directory holds the key of a fleet. */
  static async isIn(directory: string): Promise<boolean> {
    return await access(join(directory, fleetKeyName)).then(
      () => true,
      () => false,
    );
  }

  /**
   * Opens the control plane of this tracker.
   * @throws ConfigError, StorageError, StoreError; Error when it can't listen
   */
  static async open(components: FleetComponents, init: FleetInit): Promise<Fleet> {
    const fleetKey = await Identity.open(join(init.directory, fleetKeyName));
    const own = await Identity.open(join(init.directory, ownKeyName));
    const fleet = new Fleet(components, init, fleetKey);
    try {
      await fleet.#start(own);
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    return fleet;
  }

  get fleetId(): string {
    return this.#fleetKey.peerId;
  }

  /** Where hosts reach this tracker's control plane: multiaddrs that end with its peer id. */
  get addresses(): string[] {
    return this.#node.addresses;
  }

  /** Where the trackers of this fleet are, this one first: one address of each. */
  async trackers(): Promise<string[]> {
    const entries = await listAll(this.store, trackerAddressPrefix);
    const others = entries
      .filter(({ key }) => key !== this.#addressKey)
      .flatMap((entry) => parseEntry(trackerAddressesSchema, entry).addresses.slice(0, 1));
    return [...this.addresses.slice(0, 1), ...others].slice(0, mostTrackers);
  }

  /** Lets the other trackers know where this one is. */
  async #tellAddresses(): Promise<void> {
    const value = put(this.#addressKey, { addresses: this.addresses.slice(0, mostTrackers) });
    const before = await this.store.get(this.#addressKey);
    if (before?.value === value.value) return;
    const { peerId } = this.#node;
    const record = { actor: peerId, action: 'tracker.start', subject: peerId } as const;
    await this.audit.commit({ put: [value] }, { ...record, outcome: 'done' });
  }

  /** Hosts that are here learn of a tracker that was added. */
  async #tellTrackers(): Promise<void> {
    try {
      this.#sessions.tellAll({ type: 'trackers', addresses: await this.trackers() });
    } catch (error) {
      this.#components.log.warn({ err: error }, 'hosts could not be told of another tracker');
    }
  }

  get #addressKey(): string {
    return `${trackerAddressPrefix}${this.#node.peerId}`;
  }

  get rollouts(): RolloutDriver {
    return this.#rollouts;
  }

  get preheats(): Preheats {
    return this.#preheats;
  }

  /** What this tracker does not hear of now, as prefixes of the store: then it is not ready. */
  get blind(): readonly string[] {
    return [this.watches, this.#hosts, this.#rollouts].flatMap(({ blind }) => blind);
  }

  /** Whether a member has a session with a tracker, whichever. */
  isConnected(peerId: string): boolean {
    return this.#sessions.byPeer.has(peerId) || this.#hosts.isConnected(peerId);
  }

  async #start(own: Identity): Promise<void> {
    const { clock, log } = this.#components;
    const list = await this.members.revocations();
    if (list !== undefined) this.#revocations.take(list);
    this.#resources.use(this.audit);
    const verifier = new FleetVerifier({ fleet: this.#revocations, clock });
    const node = await ControlNode.open(
      { identity: own, verifier, clock },
      {
        role: 'tracker',
        listen: this.#init.listen,
        ...(this.#init.announce === undefined ? {} : { announce: this.#init.announce }),
        credential: this.#ownCredential(own.peerId),
        onRefused: (peerId, remote, error) => {
          this.#refused('session.refuse', peerId, remote, error);
        },
      },
    );
    this.#node = this.#resources.use(node);
    const renewal = setInterval(
      () => node.setCredential(this.#ownCredential(own.peerId)),
      this.#init.credentialMs * ownRenewalShare,
    );
    this.#resources.defer(() => clearInterval(renewal));
    const hosts = await this.#openRollouts(own.peerId);
    const fleetKey = this.#fleetKey;
    const forgotten = new Forgotten({
      ...this.#components,
      audit: this.audit,
      fleetKey,
      now: clock.now,
    });
    this.#sessions = this.#resources.use(
      await FleetSessions.open(
        { ...this.#components, node, members: this.members, settings: this.settings, forgotten },
        {
          revocations: () => this.#revocations.revocations,
          trackers: () => this.trackers(),
          onReport: (session, message) => {
            hosts.onReport(session, message);
          },
          onChange: (session, isHere) => {
            hosts.onSession(session, isHere);
          },
        },
      ),
    );
    this.#hints = this.#resources.use(new Hints({ node, clock }, { onHint: () => undefined }));
    const joining = await JoinServer.open(
      { node, clock },
      {
        onJoin: (request, peerId, remote) => this.members.join(request, peerId, remote),
        onRefused: (peerId, remote, error) => {
          this.#refused('member.join', peerId, remote, error);
        },
      },
    );
    this.#resources.use(joining);
    await this.watches.follow(settingsPrefix, {
      onChange: (change) => {
        this.#onSettings(change);
      },
    });
    await this.watches.follow(revocationsKey, {
      onChange: (change) => {
        this.#onRevocations(change);
      },
    });
    await this.watches.follow(trackerAddressPrefix, {
      onChange: () => undefined,
      onBatch: () => void this.#tellTrackers(),
    });
    await this.#tellAddresses();
    log.info({ fleet: this.fleetId, addresses: this.addresses }, 'the control plane listens');
  }

  /** What hosts do, and what they may do next. */
  async #openRollouts(peerId: string): Promise<HostTable> {
    const { store, audit } = this;
    const { clock, log, releases } = this.#components;
    const common = { store, audit, clock, log };
    // Not that of this tracker before it was started anew, which is dead.
    const trackerId = `${peerId}.${randomBytes(4).toString('hex')}`;
    const { isShared } = this.#init;
    const hosts = this.#resources.use(await HostTable.open(common, { trackerId, isShared }));
    this.#hosts = hosts;
    this.#rollouts = this.#resources.use(
      await RolloutDriver.open(
        { ...common, hosts, releases },
        { send: (host, permits) => this.#tell(host, { type: 'permits', permits: [...permits] }) },
      ),
    );
    this.#preheats = this.#resources.use(
      new Preheats(
        { ...common, hosts, watches: this.watches },
        { send: (host, images) => this.#tell(host, { type: 'preheat', images: [...images] }) },
      ),
    );
    await this.#preheats.start();
    return hosts;
  }

  /** To a host that is not here nothing is said: it hears what holds when it comes. */
  #tell(peerId: string, message: TrackerMessage): void {
    this.#sessions.byPeer.get(peerId)?.send(message);
  }

  /** Tells hosts, by sessions and by hints, that these channels may name other images. */
  tellNews(channels: readonly { readonly app: string; readonly channel: string }[]): void {
    this.#rollouts.onReleases();
    if (channels.length === 0) return;
    this.#sessions.tellAll({ type: 'news', channels: channels.slice(0, mostNews) });
    for (const { app, channel } of channels.slice(0, mostHints)) this.#hint({ app, channel });
  }

  #onSettings({ key, value, revision }: Change): void {
    if (value === undefined) return;
    const { app, settings } = parseSettings({ key, value, revision });
    this.#sessions.tellSettings(app, settings);
    this.#hintSoon(app, settings.revision);
  }

  /** Of several changes shortly after each other the newest is hinted at. */
  #hintSoon(app: string, revision: number): void {
    const isWaiting = this.#hintedSoon.has(app);
    this.#hintedSoon.set(app, revision);
    if (isWaiting) return;
    setTimeout(() => {
      const newest = this.#hintedSoon.get(app) ?? revision;
      this.#hintedSoon.delete(app);
      if (!this.#closing.signal.aborted) this.#hint({ settings: app, revision: newest });
    }, settingsHintDelayMs).unref();
  }

  #onRevocations({ value }: Change): void {
    if (value === undefined) return;
    const { text } = revocationsSchema.parse(JSON.parse(value));
    const list = readRevocations(text, { fleetId: this.fleetId });
    const revoked = this.#revocations.take(list);
    if (revoked.length === 0) return;
    this.#node.revoke(revoked);
    this.#sessions.tellAll({ type: 'revocations', text });
    this.#hint({ revocations: list.number });
  }

  /** Says by gossip that there is something to look at. */
  #hint(hint: Hint): void {
    this.#hints.publish(hint).catch((error: unknown) => {
      this.#components.log.debug({ err: error }, 'a hint reached nobody');
    });
  }

  #refused(action: string, peerId: string, remote: string, error: Error): void {
    const detail = { remote, why: error.message.slice(0, 1_000) };
    void this.audit.refuse({ actor: peerId, action, subject: peerId, detail });
  }

  /** Trackers hold the fleet's key, so they say themselves that they belong. */
  #ownCredential(peerId: string): string {
    const nowMs = this.#components.clock.now();
    return issueCredential(this.#fleetKey, {
      peerId,
      roles: ['operator'],
      apps: [],
      labels: {},
      issuedAt: new Date(nowMs).toISOString(),
      expiresAt: new Date(nowMs + this.#init.credentialMs).toISOString(),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.watches[Symbol.asyncDispose]();
    await this.#resources.disposeAsync();
  }
}

/** Of what types released images need a setting; types that are not known here are let be. */
function needTypesOf(releases: readonly Release[], app: string, name: string): NeedType[] {
  const types = releases.flatMap((release) => {
    const type = release.app === app ? release.needs?.[name] : undefined;
    return isNeedType(type) ? [type] : [];
  });
  return [...new Set(types)];
}
