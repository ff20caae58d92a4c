import { setTimeout as sleep } from 'node:timers/promises';
import { castGrpcError, Etcd3, isRecoverableError, type IOptions } from 'etcd3';

/** What a client shows, and what it believes, where etcd speaks TLS. */
export type EtcdCredentials = NonNullable<IOptions['credentials']>;

export interface EtcdHostsInit {
  /** `host:port`, of each member of the cluster. */
  readonly hosts: readonly string[];
  readonly credentials?: EtcdCredentials | undefined;
  /** After so long a call fails. */
  readonly callTimeoutMs: number;
  /** After so long without an answer it is sent to another member. */
  readonly attemptTimeoutMs: number;
}

/** The member that is spoken with, until it is left. */
export interface EtcdHost {
  readonly client: Etcd3;
  /** Aborts when another member is spoken with instead. */
  readonly left: AbortSignal;
}

export interface AttemptOptions {
  /** Milliseconds since 1970, as gRPC wants it. */
  readonly deadline: number;
}

/** When each member was asked in vain, there is a pause before the next round. */
const roundPauseMs = 50;

/** A member that died is tried again often: etcd is close, and there are few trackers. */
const grpcOptions = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // etcd closes connections that ask for signs of life more often than each 5 s.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.max_receive_message_length': 64 << 20,
};

/**
 * The client's own retries also repeat what may have been done already, and its circuit breakers shut a
 * member out for five seconds. Neither can be used here: `EtcdHosts` decides on both.
 */
const unguarded = {
  execute: async <T>(work: (context: { signal: AbortSignal }) => PromiseLike<T> | T): Promise<T> =>
    await work({ signal: new AbortController().signal }),
} as unknown as NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/**
 * The members of an etcd cluster. All calls and watches go to one of them until it fails; then all go to
 * the next. So a member that is dead, stopped or cut off is found by the first call that needs it, and
 * watches, which would wait for it in silence, leave it with the calls.
 */
export class EtcdHosts implements Disposable {
  readonly #init: EtcdHostsInit;
  readonly #clients: readonly Etcd3[];
  #position = 0;
  #leaving = new AbortController();

  constructor(init: EtcdHostsInit) {
    this.#init = init;
    const scheme = init.credentials === undefined ? 'http' : 'https';
    this.#clients = init.hosts.map(
      (host) =>
        new Etcd3({
          hosts: `${scheme}://${host}`,
          grpcOptions,
          faultHandling: { global: unguarded, host: () => unguarded },
          ...(init.credentials === undefined ? {} : { credentials: init.credentials }),
        }),
    );
  }

  get current(): EtcdHost {
    const client = this.#clients[this.#position];
    if (client === undefined) throw new RangeError('an etcd cluster has at least one member');
    return { client, left: this.#leaving.signal };
  }

  get callTimeoutMs(): number {
    return this.#init.callTimeoutMs;
  }

  /** Speaks with the next member from now on, unless this one was left before. */
  leave(host: EtcdHost): void {
    if (host.left.aborted) return;
    this.#position = (this.#position + 1) % this.#clients.length;
    const left = this.#leaving;
    this.#leaving = new AbortController();
    left.abort();
  }

  /**
   * Asks one member after the other until there is an answer.
   * @param work may be done more than once, and must allow for that
   * @param options.endMs when to give up, by `performance.now()`
   * @throws the last member's error; the signal's reason
   */
  async call<T>(
    work: (client: Etcd3, options: AttemptOptions) => Promise<T>,
    options: { readonly signal?: AbortSignal | undefined; readonly endMs?: number } = {},
  ): Promise<T> {
    const { signal, endMs = performance.now() + this.#init.callTimeoutMs } = options;
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const host = this.current;
      const leftMs = Math.max(endMs - performance.now(), 1);
      const timeoutMs = Math.min(leftMs, this.#init.attemptTimeoutMs);
      try {
        return await work(host.client, { deadline: Date.now() + timeoutMs });
      } catch (error) {
        if (!isTransient(error)) throw error;
        this.leave(host);
        const pauseMs = attempt % this.#clients.length === 0 ? roundPauseMs : 0;
        if (performance.now() + pauseMs >= endMs) throw error;
        if (pauseMs > 0) await sleep(pauseMs);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#leaving.abort();
    for (const client of this.#clients) client.close();
  }
}

/** Whether etcd has reached its quota (`--quota-backend-bytes`), and takes no changes before that is mended. */
export const isFull = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('database space exceeded');

/** Whether a revision was asked for that etcd has forgotten. */
export const isCompacted = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('has been compacted');

/** Whether another member, or the same one soon, may answer. Errors of streams come as gRPC's own. */
export const isTransient = (error: unknown): boolean =>
  error instanceof Error && isRecoverableError(castGrpcError(error)) && !isFull(error);

/** What is said where a call was never sent. */
const notSent = /No connection established|Name resolution failed/;

/** Whether a failed attempt can't have been done, nor be done later. */
export const wasRefused = (error: unknown): boolean =>
  !isTransient(error) || (error instanceof Error && notSent.test(error.message));

/** What a failed call means to an operator. */
export function etcdReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (isFull(error)) {
    return `etcd is out of space: compact and defragment it, and disarm its alarm (${message})`;
  }
  return isTransient(error) ? `etcd does not answer (${message})` : `etcd refuses (${message})`;
}
