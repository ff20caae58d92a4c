import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fastify } from 'fastify';
import { onTestFinished, vi } from 'vitest';
import type { ChannelReport, Clock, Permit } from '../../../../src/control/index.ts';
import type { Release } from '../../../../src/trust/index.ts';
import { Identity } from '../../../../src/trust/sealed.ts';
import { AuditLog } from '../../../../tracker/audit/index.ts';
import { put } from '../../../../tracker/fleet/entries.ts';
import { HostTable, type HeardHost } from '../../../../tracker/fleet/host-table.ts';
import { memberKey, type Member } from '../../../../tracker/fleet/records.ts';
import { RolloutDriver } from '../../../../tracker/fleet/rollouts.ts';
import type { Store } from '../../../../tracker/store/index.ts';
import { SqliteStore } from '../../../../tracker/store/sqlite-store.ts';
import { SimulatedHost } from '../../../tools/simulated-host.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

const tickMs = 250;
const log = fastify({ logger: false }).log;
export const oldImage = 'image 1';
export const newImage = 'image 2';

/** What a host was told, and when by whom. */
export interface Told {
  readonly atMs: number;
  readonly tracker: FleetTracker;
  readonly peerId: string;
  readonly permit: Permit;
}

/** A tracker's part in rollouts, that can be started anew on the same store. */
export class FleetTracker {
  readonly audit: AuditLog;
  readonly hosts: HostTable;
  readonly driver: RolloutDriver;
  #isClosed = false;
  readonly #cut: AbortController;

  private constructor(
    { audit, cut }: { audit: AuditLog; cut: AbortController },
    hosts: HostTable,
    driver: RolloutDriver,
  ) {
    this.#cut = cut;
    this.audit = audit;
    this.hosts = hosts;
    this.driver = driver;
  }

  static async open(
    fleet: RolloutFleet,
    init: { id: string; isShared: boolean; store: Store; aheadMs: number },
  ): Promise<FleetTracker> {
    const clock: Clock = { now: () => Date.now() + init.aheadMs, uptime: fleet.clock.uptime };
    const cut = new AbortController();
    const store = cutOff(init.store, cut.signal);
    const audit = new AuditLog({ store, now: clock.now });
    const hosts = await HostTable.open(
      { store, clock, log },
      { trackerId: init.id, isShared: init.isShared },
    );
    const driver = await RolloutDriver.open(
      { store, audit, clock, hosts, log, releases: () => fleet.releases },
      {
        send: (peerId, permits) => {
          fleet.tell(tracker, peerId, permits);
        },
      },
    );
    const tracker = new FleetTracker({ audit, cut }, hosts, driver);
    return tracker;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** It says nothing more from now on, and its sessions are not ended: the store is cut off. */
  async die(): Promise<void> {
    this.#cut.abort();
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.driver[Symbol.asyncDispose]();
    await this.hosts[Symbol.asyncDispose]();
    await this.audit[Symbol.asyncDispose]();
  }
}

/** Simulated hosts that follow `web/stable`, and trackers on one real store. Time goes on by `run` alone. */
export class RolloutFleet {
  readonly store: Store;
  readonly clock: Clock = { now: () => Date.now(), uptime: () => Date.now() };
  readonly hosts: readonly SimulatedHost[];
  readonly told: Told[] = [];
  /** With which tracker each host has its session. */
  readonly #sessions = new Map<SimulatedHost, FleetTracker>();
  readonly #heard = new Map<SimulatedHost, HeardHost>();
  releases: Release[] = [];
  mostTakenDown = 0;

  private constructor(store: Store, hosts: readonly SimulatedHost[]) {
    this.store = store;
    this.hosts = hosts;
  }

  static async open(hostCount: number): Promise<RolloutFleet> {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'],
    });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const path = join(await temporaryDirectory(), 'store.db');
    const store = await SqliteStore.open({ path });
    onTestFinished(() => store[Symbol.asyncDispose]());
    const hosts = Array.from({ length: hostCount }, (_, at) => {
      const labels = { rack: `r${at % 3}` };
      const id = Identity.generate().peerId;
      return new SimulatedHost({ id, labels, release: oldImage, skewMs: 0 });
    });
    await store.commit({
      put: hosts.map(({ id, labels }) => put(memberKey(id), member(id, labels))),
    });
    return new RolloutFleet(store, hosts);
  }

  /** @param init `aheadMs`: by how much its clock is wrong */
  async startTracker(
    id: string,
    init: { isShared?: boolean; store?: Store; aheadMs?: number } = {},
  ): Promise<FleetTracker> {
    const { isShared = false, store = this.store, aheadMs = 0 } = init;
    const tracker = await FleetTracker.open(this, { id, isShared, store, aheadMs });
    onTestFinished(() => tracker.close());
    return tracker;
  }

  /** Whoever is elected next, if somebody is, is dead. */
  electNobody(): void {
    const dead = new AbortController();
    const isOver = new Promise<void>((resolve) => {
      dead.signal.addEventListener('abort', () => resolve());
    });
    const electing = this.store.elect('rollouts', {
      signal: dead.signal,
      onElected: () => isOver,
    });
    onTestFinished(async () => {
      dead.abort();
      await electing.catch(() => undefined);
    });
  }

  /** Hosts get a session with a tracker; with none, they are heard no more. */
  connect(hosts: readonly SimulatedHost[], tracker: FleetTracker | undefined): void {
    for (const host of hosts) {
      const before = this.#sessions.get(host);
      if (before?.isClosed === false) {
        before.hosts.onSession(this.#heard.get(host) ?? heard(host), false);
      }
      this.#sessions.delete(host);
      if (tracker === undefined) continue;
      this.#sessions.set(host, tracker);
      const session = heard(host);
      this.#heard.set(host, session);
      tracker.hosts.onSession(session, true);
    }
  }

  /** A release with a plan, or without one. */
  release(number: number, rollout?: string): void {
    const imageId = `image ${number}`;
    const base = { app: 'web', channel: 'stable', infoHash: '00', infoBytes: 1 };
    this.releases = [
      { ...base, imageId, release: number, version: `${number}.0.0`, ...(rollout && { rollout }) },
    ];
    for (const tracker of new Set(this.#sessions.values())) tracker.driver.onReleases();
  }

  tell(tracker: FleetTracker, peerId: string, permits: readonly Permit[]): void {
    for (const permit of permits) {
      this.told.push({ atMs: Date.now(), tracker, peerId, permit });
      const host = this.hosts.find(({ id }) => id === peerId);
      if (host?.isUp !== true || this.#sessions.get(host) !== tracker) continue;
      const validUntilMs = Date.parse(permit.validUntil ?? '');
      host.hear({ ...permit, host: peerId, validUntilMs }, Date.now());
    }
  }

  /** Time goes on until something holds; it is a fault if it does not in this time. */
  async run(forMs: number, until: () => boolean = () => false): Promise<void> {
    const endMs = Date.now() + forMs;
    while (Date.now() < endMs) {
      if (until()) return;
      await this.#tick();
    }
  }

  count(release: string, state = 'healthy'): number {
    return this.hosts.filter((host) => host.release === release && host.state === state).length;
  }

  async #tick(): Promise<void> {
    await vi.advanceTimersByTimeAsync(tickMs);
    for (const host of this.hosts) {
      host.live(Date.now());
      const tracker = this.#sessions.get(host);
      if (host.isUp && tracker?.isClosed === false)
        tracker.hosts.onReport({ peerId: host.id }, { channels: [this.#report(host)] });
    }
    // The store writes in the loop's next turns, which are real.
    for (let turn = 0; turn < 12; turn++) await setImmediate();
    this.mostTakenDown = Math.max(
      this.mostTakenDown,
      this.hosts.filter(({ isTakenDown }) => isTakenDown).length,
    );
  }

  #report(host: SimulatedHost): ChannelReport {
    const { isPrefetched, release, unmet, ...report } = host.report(Date.now());
    const prefetched = isPrefetched ? this.releases[0]?.imageId : undefined;
    return {
      app: 'web',
      channel: 'stable',
      ...report,
      ...(release === undefined ? {} : { release }),
      ...(prefetched === undefined ? {} : { prefetched }),
      ...(unmet === undefined ? {} : { unmet: [...unmet] }),
    };
  }
}

/** A new session of a host. */
export const heard = ({ id }: SimulatedHost): HeardHost => ({
  peerId: id,
  hello: {
    type: 'hello' as const,
    protocol: 1,
    version: 'test',
    follows: [{ app: 'web', channel: 'stable' }],
    settings: {},
    addresses: [],
  },
});

const member = (peerId: string, labels: Readonly<Record<string, string>>): Member => ({
  peerId,
  state: 'member',
  roles: ['host'],
  apps: ['*'],
  labels: { ...labels },
  since: '2026-01-01T00:00:00.000Z',
  by: 'test',
  remote: '',
});

/** A store that takes nothing more of a tracker once the signal aborts. */
const cutOff = (store: Store, signal: AbortSignal): Store =>
  new Proxy(store, {
    get: (target, name) => {
      if (name === 'commit' && signal.aborted) return () => Promise.reject(new Error('cut off'));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
