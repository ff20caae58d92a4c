import * as z from 'zod';
import { ConfigError } from '../../src/errors.ts';
import type { Clock } from '../../src/control/index.ts';
import type { AuditLog } from '../audit/index.ts';
import type { Store } from '../store/index.ts';
import { listAll, parseEntry, put, tryAgain } from './entries.ts';
import type { HeardHost, HostTable, PreheatTarget } from './host-table.ts';
import type { Watches } from './watches.ts';

/** An image that hosts are to have before it is released. A newer tracker may say more. */
export const preheatSchema = z.object({
  app: z.string().max(100),
  imageId: z.string().max(200),
  /** All of them must be the host's; none: all hosts that may have the app. */
  labels: z.record(z.string(), z.string()),
  startedAt: z.iso.datetime(),
  by: z.string().max(256),
});
export type Preheat = z.output<typeof preheatSchema>;

/** How far a preheat is. */
export interface PreheatStatus extends Preheat {
  /** How many hosts are meant, have it, and are unreachable without it. */
  readonly hosts: number;
  readonly complete: number;
  readonly unreachable: number;
}

export interface PreheatsComponents {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly hosts: HostTable;
  readonly watches: Watches;
  readonly clock: Clock;
}

export interface PreheatsInit {
  /** Tells a host that has a session with this tracker which images to fetch: all of them, each time. */
  readonly send: (peerId: string, images: readonly { app: string; imageId: string }[]) => void;
}

const preheatPrefix = 'preheats/';
const preheatKey = (app: string, imageId: string): string => `${preheatPrefix}${app}/${imageId}`;
/** What a host is told at once; more is a mistake. */
const mostPreheats = 64;

/** Images that hosts fetch before anything is released. */
export class Preheats implements Disposable {
  readonly #components: PreheatsComponents;
  readonly #init: PreheatsInit;
  readonly #known = new Map<string, Preheat>();
  /** What was told in each session; one that has just begun was told nothing. */
  readonly #told = new WeakMap<HeardHost, string>();
  #isKnown = false;
  #stop: () => void = () => undefined;

  constructor(components: PreheatsComponents, init: PreheatsInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Follows what any tracker changes, and tells own hosts. @throws StoreError */
  async start(): Promise<void> {
    const { watches, hosts } = this.#components;
    this.#stop = hosts.onChange(({ isSession }) => {
      if (isSession) this.#tellAll();
    });
    await watches.follow(preheatPrefix, {
      onWhole: () => {
        this.#known.clear();
      },
      onChange: ({ key, value, revision }) => {
        if (value === undefined) this.#known.delete(key);
        else this.#known.set(key, parseEntry(preheatSchema, { key, value, revision }));
      },
      onBatch: () => {
        this.#isKnown = true;
        this.#tellAll();
      },
    });
  }

  /**
   * Has hosts fetch an image. One that is under way gets these targets instead.
   * @throws ConfigError CONFIG_IN_USE when there are too many
   */
  async begin(target: PreheatTarget, actor: string): Promise<PreheatStatus> {
    const { app, imageId, labels } = target;
    const { store, audit, clock } = this.#components;
    const startedAt = new Date(clock.now()).toISOString();
    const preheat = { app, imageId, labels: { ...labels }, startedAt, by: actor };
    const key = preheatKey(app, imageId);
    const all = await listAll(store, preheatPrefix);
    if (all.length >= mostPreheats && !all.some((entry) => entry.key === key)) {
      const what = `${mostPreheats} images are preheated already: end some with --stop`;
      throw new ConfigError('CONFIG_IN_USE', what);
    }
    const detail = { app, labels: Object.entries(labels).map((pair) => pair.join('=')) };
    await audit.commit(
      { put: [put(key, preheat)] },
      { actor, action: 'preheat.begin', subject: imageId, outcome: 'done', detail },
    );
    return this.#status(preheat);
  }

  /** Hosts that have it keep it as any other image. @returns whether there was one */
  async end(app: string, imageId: string, actor: string): Promise<boolean> {
    const { store, audit } = this.#components;
    return await tryAgain(async () => {
      const entry = await store.get(preheatKey(app, imageId));
      if (entry === undefined) return false;
      await audit.commit(
        { expect: [entry], remove: [entry.key] },
        { actor, action: 'preheat.end', subject: imageId, outcome: 'done', detail: { app } },
      );
      return true;
    });
  }

  async list(): Promise<PreheatStatus[]> {
    const entries = await listAll(this.#components.store, preheatPrefix);
    return entries.map((entry) => this.#status(parseEntry(preheatSchema, entry)));
  }

  #status(preheat: Preheat): PreheatStatus {
    const meant = this.#components.hosts.preheated(preheat);
    const complete = meant.filter(({ isComplete }) => isComplete).length;
    const unreachable = meant.filter((host) => !host.isComplete && host.isUnreachable).length;
    return { ...preheat, hosts: meant.length, complete, unreachable };
  }

  /** A session that has just begun is told in any case: while the host was away, some may have ended. */
  #tellAll(): void {
    if (!this.#isKnown) return;
    const { hosts } = this.#components;
    for (const session of hosts.sessions.values()) {
      const images = [...this.#known.values()]
        .filter((preheat) => hosts.isMeant(session.peerId, preheat))
        .map(({ app, imageId }) => ({ app, imageId }));
      const text = JSON.stringify(images);
      if (text === this.#told.get(session)) continue;
      this.#told.set(session, text);
      this.#init.send(session.peerId, images);
    }
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
