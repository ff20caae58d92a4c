import { setTimeout as sleep } from 'node:timers/promises';
import { CompareResult, CompareTarget } from 'etcd3';
import { isTransient, type EtcdHosts } from './etcd-hosts.ts';
import type { EtcdKeys } from './etcd-keys.ts';
import { ownKeys, type ChangeBatch, type ElectOptions, type WatchOptions } from './store.ts';

/** Of a lease's time; the rest is for clocks that run differently and for a last try. */
const trustedShare = 0.8;
const renewalsPerLease = 4;
const pauseMs = 100;

export interface EtcdElectionComponents {
  readonly hosts: EtcdHosts;
  readonly keys: EtcdKeys;
  readonly watch: (prefix: string, options: WatchOptions) => AsyncIterable<ChangeBatch>;
}

export interface EtcdElectionInit {
  readonly name: string;
  /** After so long without a sign of life another tracker leads. */
  readonly leaseSeconds: number;
}

interface Lease {
  readonly id: string;
  /** By `performance.now()`: when it was last sent for. */
  readonly askedMs: number;
}

/**
 * Candidacies for one leadership: whoever puts the key leads, until its lease ends. As measured by Jepsen
 * (etcd 3.4.3), a lease alone excludes nobody, so the key's revision is the fence of what a leader writes.
 */
export class EtcdElection {
  readonly #hosts: EtcdHosts;
  readonly #keys: EtcdKeys;
  readonly #watch: EtcdElectionComponents['watch'];
  readonly #init: EtcdElectionInit;
  readonly #key: string;

  constructor(components: EtcdElectionComponents, init: EtcdElectionInit) {
    this.#hosts = components.hosts;
    this.#keys = components.keys;
    this.#watch = components.watch;
    this.#init = init;
    this.#key = `${ownKeys}elections/${init.name}`;
  }

  /** As `Store.elect`. */
  async run({ signal, onElected }: ElectOptions): Promise<void> {
    while (!signal.aborted) {
      try {
        if (await this.#stand({ signal, onElected })) return;
      } catch (error) {
        if (signal.aborted) return;
        if (!isTransient(error)) throw error;
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** One candidacy, to its end. @returns whether it led, and gave the leadership up */
  async #stand({ signal, onElected }: ElectOptions): Promise<boolean> {
    const lease = await this.#grant(signal);
    let taken: number;
    try {
      const { leads, revision } = await this.#take(lease, signal);
      if (leads) return await this.#lead(lease, revision, { signal, onElected });
      taken = revision;
    } finally {
      // Nor is a lease kept alive by who waits: it would only be in the way.
      await this.#revoke(lease);
    }
    await this.#untilFree(taken, signal);
    return false;
  }

  async #grant(signal: AbortSignal): Promise<Lease> {
    const askedMs = performance.now();
    const { ID } = await this.#hosts.call(
      (client, options) => client.leaseClient.leaseGrant({ TTL: this.#init.leaseSeconds }, options),
      { signal },
    );
    return { id: ID, askedMs };
  }

  /** Puts the key if it is free. An attempt whose answer was lost is known by the lease. */
  async #take(
    lease: Lease,
    signal: AbortSignal,
  ): Promise<{ readonly leads: boolean; readonly revision: number }> {
    const key = this.#keys.encode(this.#key);
    const answer = await this.#hosts.call(
      (client, options) =>
        client.kv.txn(
          {
            compare: [
              { target: CompareTarget.Mod, result: CompareResult.Equal, key, mod_revision: 0 },
            ],
            success: [{ request_put: { key, value: Buffer.from('{}'), lease: lease.id } }],
            failure: [{ request_range: { key } }],
          },
          options,
        ),
      { signal },
    );
    const revision = Number(answer.header.revision);
    if (answer.succeeded) return { leads: true, revision };
    const holder = answer.responses[0]?.response_range.kvs[0];
    if (holder?.lease !== lease.id) return { leads: false, revision };
    return { leads: true, revision: Number(holder.mod_revision) };
  }

  async #untilFree(revision: number, signal: AbortSignal): Promise<void> {
    for await (const batch of this.#watch(this.#key, { fromRevision: revision, signal })) {
      const last = batch.findLast(({ key }) => key === this.#key);
      if (last === undefined ? batch.isWhole : last.value === undefined) return;
    }
  }

  async #lead(
    lease: Lease,
    revision: number,
    { signal, onElected }: ElectOptions,
  ): Promise<boolean> {
    const lost = new AbortController();
    const done = new AbortController();
    const leading = AbortSignal.any([signal, lost.signal]);
    const renewing = this.#keepAlive(lease, lost, done.signal);
    try {
      await onElected(leading, { key: this.#key, revision });
    } catch (error) {
      if (!leading.aborted) throw error;
    } finally {
      done.abort();
      await renewing;
    }
    return !lost.signal.aborted;
  }

  /** Renews the lease; gives the leadership up before etcd could give it to another. */
  async #keepAlive(lease: Lease, lost: AbortController, done: AbortSignal): Promise<void> {
    const leaseMs = this.#init.leaseSeconds * 1_000;
    const trustedMs = leaseMs * trustedShare;
    const lose = () => {
      lost.abort(new Error('the leadership is lost: its lease could not be renewed in time'));
    };
    let timer = setTimeout(lose, lease.askedMs + trustedMs - performance.now());
    const ended = AbortSignal.any([done, lost.signal]);
    while (!ended.aborted) {
      const pause = leaseMs / renewalsPerLease;
      await sleep(pause, undefined, { signal: ended }).catch(() => undefined);
      if (ended.aborted) break;
      const askedMs = performance.now();
      const remaining = await this.#renew(lease, pause);
      if (remaining === undefined) continue;
      clearTimeout(timer);
      if (remaining <= 0) lose();
      else timer = setTimeout(lose, askedMs + trustedMs - performance.now());
    }
    clearTimeout(timer);
  }

  /** @returns the seconds that the lease has now, 0 when it is gone; undefined: no answer */
  async #renew({ id }: Lease, timeoutMs: number): Promise<number | undefined> {
    const host = this.#hosts.current;
    try {
      const deadline = Date.now() + timeoutMs;
      const stream = await host.client.leaseClient.leaseKeepAlive({ deadline });
      try {
        const answer = Promise.withResolvers<{ readonly TTL: string }>();
        stream.on('data', answer.resolve).on('error', answer.reject);
        stream.write({ ID: id });
        return Number((await answer.promise).TTL);
      } finally {
        stream.end();
        stream.cancel();
      }
    } catch {
      // Whether it matters, the time will tell.
      this.#hosts.leave(host);
      return undefined;
    }
  }

  /** As far as etcd answers; else the lease ends by itself. */
  async #revoke({ id }: Lease): Promise<void> {
    await this.#hosts
      .call((client, options) => client.leaseClient.leaseRevoke({ ID: id }, options))
      .catch(() => undefined);
  }
}
