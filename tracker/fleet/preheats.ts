import * as z from 'zod';
import { ConfigError } from '../../src/errors.ts';
import type { Clock } from '../../src/control/index.ts';
import type { AuditLog } from '../audit/index.ts';
import type { Store } from '../store/index.ts';
import { listAll, parseEntry, put, tryAgain } from './entries.ts';
import type { HostTable, PreheatTarget } from './host-table.ts';

/** An image that hosts are to have before it is released. */
export const preheatSchema = z.strictObject({
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
export class Preheats implements AsyncDisposable {
  readonly #components: PreheatsComponents;
  readonly #init: PreheatsInit;
  readonly #known = new Map<string, Preheat>();
  readonly #closing = new AbortController();
  readonly #told = new Map<string, string>();
  #watching: Promise<void> = Promise.resolve();
  #stop: () => void = () => undefined;

  constructor(components: PreheatsComponents, init: PreheatsInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Follows what any tracker changes, and tells own hosts. @param onError a watch has ended */
  start(onError: (error: unknown) => void): void {
    const { store, hosts } = this.#components;
    const { signal } = this.#closing;
    this.#stop = hosts.onChange(({ isSession }) => {
      if (isSession) this.#tellAll();
    });
    this.#watching = (async () => {
      for await (const batch of store.watch(preheatPrefix, { signal })) {
        if (batch.isWhole) this.#known.clear();
        for (const { key, value, revision } of batch) {
          if (value === undefined) this.#known.delete(key);
          else this.#known.set(key, parseEntry(preheatSchema, { key, value, revision }));
        }
        this.#tellAll();
      }
    })().catch((error: unknown) => {
      if (!signal.aborted) onError(error);
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

  #tellAll(): void {
    const { hosts } = this.#components;
    const { own } = hosts;
    const images = new Map<string, { app: string; imageId: string }[]>();
    for (const preheat of this.#known.values()) {
      const { app, imageId } = preheat;
      for (const { peerId } of hosts.preheated(preheat)) {
        if (own.has(peerId)) images.set(peerId, [...(images.get(peerId) ?? []), { app, imageId }]);
      }
    }
    for (const peerId of this.#told.keys()) if (!own.has(peerId)) this.#told.delete(peerId);
    for (const peerId of own) {
      const next = images.get(peerId) ?? [];
      const text = JSON.stringify(next);
      if (text === (this.#told.get(peerId) ?? '[]')) continue;
      this.#told.set(peerId, text);
      this.#init.send(peerId, next);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    this.#closing.abort();
    await this.#watching;
  }
}
