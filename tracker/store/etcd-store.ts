import { setTimeout as sleep } from 'node:timers/promises';
import type { IKeyValue } from 'etcd3';
import { EtcdCommits, showsLoss } from './etcd-commits.ts';
import { EtcdElection } from './etcd-election.ts';
import { EtcdHosts, etcdReason, type EtcdCredentials } from './etcd-hosts.ts';
import { EtcdKeys } from './etcd-keys.ts';
import { watchEtcd } from './etcd-watch.ts';
import {
  batchOf,
  checkTransaction,
  listLimit,
  readOnly,
  storeLimits,
  unreadable,
  type ChangeBatch,
  type ElectOptions,
  type Entry,
  type ListOptions,
  type Store,
  type StoreState,
  type Transaction,
  type WaitOptions,
  type WatchOptions,
} from './store.ts';
import { WriteState } from './write-state.ts';

export interface EtcdStoreInit {
  /** `host:port`, of each member of the cluster. */
  readonly hosts: readonly string[];
  /** Where this store's keys lie in the cluster, such as `/starling/`. */
  readonly prefix: string;
  readonly credentials?: EtcdCredentials | undefined;
  /** After so long without an answer a call fails. */
  readonly callTimeoutMs?: number | undefined;
  /** After so long without an answer another member is asked. */
  readonly attemptTimeoutMs?: number | undefined;
  /** How often it is looked whether etcd answers. */
  readonly probeIntervalMs?: number | undefined;
  /** After so long a leader that is silent is replaced. */
  readonly leaseSeconds?: number | undefined;
}

const defaults = {
  callTimeoutMs: 2_000,
  attemptTimeoutMs: 700,
  probeIntervalMs: 1_000,
  leaseSeconds: 5,
};

const closedReason = 'it is closed';

/** The tracker's hard state in an etcd cluster, shared by several trackers. Revisions are etcd's. */
export class EtcdStore implements Store {
  readonly #hosts: EtcdHosts;
  readonly #keys: EtcdKeys;
  readonly #commits: EtcdCommits;
  readonly #leaseSeconds: number;
  readonly #state = new WriteState();
  readonly #closing = new AbortController();
  readonly #elections = new Set<Promise<void>>();
  #health: Promise<void> = Promise.resolve();

  private constructor(components: { readonly hosts: EtcdHosts }, init: EtcdStoreInit) {
    this.#hosts = components.hosts;
    this.#keys = new EtcdKeys(init.prefix);
    this.#commits = new EtcdCommits({ hosts: this.#hosts, keys: this.#keys });
    this.#leaseSeconds = init.leaseSeconds ?? defaults.leaseSeconds;
  }

  /** Where etcd does not answer the store is open and takes no changes, until it does. */
  static async open(init: EtcdStoreInit): Promise<EtcdStore> {
    const { callTimeoutMs, attemptTimeoutMs } = init;
    const hosts = new EtcdHosts({
      hosts: init.hosts,
      credentials: init.credentials,
      callTimeoutMs: callTimeoutMs ?? defaults.callTimeoutMs,
      attemptTimeoutMs: attemptTimeoutMs ?? defaults.attemptTimeoutMs,
    });
    const store = new EtcdStore({ hosts }, init);
    await store.#probe();
    store.#health = store.#watchHealth(init.probeIntervalMs ?? defaults.probeIntervalMs);
    return store;
  }

  get isWritable(): boolean {
    return this.#state.current.isWritable;
  }

  get state(): StoreState {
    return this.#state.current;
  }

  onStateChange(listener: (state: StoreState) => void): () => void {
    return this.#state.onChange(listener);
  }

  async get(key: string, options: WaitOptions = {}): Promise<Entry | undefined> {
    const { kvs } = await this.#range({ key: this.#keys.encode(key) }, options);
    return kvs[0] === undefined ? undefined : this.#entry(kvs[0]);
  }

  async list(
    prefix: string,
    { after, limit, signal }: ListOptions = {},
  ): Promise<{ entries: Entry[]; revision: number }> {
    const range = this.#keys.range(prefix, after);
    const { kvs, header } = await this.#range({ ...range, limit: listLimit(limit) }, { signal });
    return { entries: kvs.map((kv) => this.#entry(kv)), revision: Number(header.revision) };
  }

  async commit(transaction: Transaction): Promise<number> {
    checkTransaction(transaction);
    const { reason } = this.#state;
    if (reason !== undefined) throw readOnly(reason);
    try {
      return await this.#commits.commit(transaction);
    } catch (error) {
      if (showsLoss(error)) this.#turnReadOnly((error as Error).cause);
      throw error;
    }
  }

  watch(prefix: string, { fromRevision, signal }: WatchOptions): AsyncIterable<ChangeBatch> {
    return watchEtcd(
      {
        hosts: this.#hosts,
        keys: this.#keys,
        readAll: (below) => this.#readAll(below),
        revision: () => this.#revision(),
      },
      prefix,
      { fromRevision, signal: AbortSignal.any([signal, this.#closing.signal]) },
    );
  }

  async elect(name: string, { signal, onElected }: ElectOptions): Promise<void> {
    const election = new EtcdElection(
      {
        hosts: this.#hosts,
        keys: this.#keys,
        watch: (prefix, options) => this.watch(prefix, options),
      },
      { name, leaseSeconds: this.#leaseSeconds },
    );
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    const running = election.run({ signal: ended, onElected });
    this.#elections.add(running);
    try {
      await running;
    } finally {
      this.#elections.delete(running);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const answered = this.isWritable;
    this.#closing.abort();
    this.#state.turnReadOnly(closedReason);
    await Promise.allSettled([this.#health, ...this.#elections]);
    if (answered) await this.#commits.end();
    this.#hosts[Symbol.dispose]();
  }

  /** All that there is below a prefix, page by page, at the revision of the first page. */
  async #readAll(prefix: string): Promise<ChangeBatch> {
    const entries: Entry[] = [];
    let revision = 0;
    for (;;) {
      const range = this.#keys.range(prefix, entries.at(-1)?.key);
      const page = await this.#hosts.call((client, options) =>
        client.kv.range({ ...range, limit: storeLimits.entries, revision }, options),
      );
      if (revision === 0) revision = Number(page.header.revision);
      entries.push(...page.kvs.map((kv) => this.#entry(kv)));
      if (!page.more) return batchOf(entries, { isWhole: true, revision });
    }
  }

  async #revision(): Promise<number> {
    const { header } = await this.#hosts.call((client, options) =>
      client.kv.range({ key: this.#keys.own('probe') }, options),
    );
    return Number(header.revision);
  }

  async #range(
    request: { key: Buffer; range_end?: Buffer; limit?: number },
    { signal }: WaitOptions,
  ) {
    try {
      return await this.#hosts.call((client, options) => client.kv.range(request, options), {
        signal,
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw unreadable(etcdReason(error), error);
    }
  }

  #entry({ key, value, mod_revision }: IKeyValue): Entry {
    return {
      key: this.#keys.decode(key),
      value: value.toString(),
      revision: Number(mod_revision),
    };
  }

  async #watchHealth(intervalMs: number): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.#probe();
    }
  }

  /** A read finds a lost quorum; only a write finds that there is room, or the right, to write again. */
  async #probe(): Promise<void> {
    const key = this.#keys.own('probe');
    try {
      await this.#hosts.call(async (client, options) => {
        await (this.isWritable
          ? client.kv.range({ key }, options)
          : client.kv.put({ key, value: Buffer.from('{}') }, options));
      });
      if (!this.#closing.signal.aborted) this.#state.turnWritable();
    } catch (error) {
      this.#turnReadOnly(error);
    }
  }

  #turnReadOnly(error: unknown): void {
    if (!this.#closing.signal.aborted) this.#state.turnReadOnly(etcdReason(error));
  }
}
