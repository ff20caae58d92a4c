import { setTimeout as sleep } from 'node:timers/promises';
import type { IWatchResponse } from 'etcd3';
import {
  etcdReason,
  isCompacted,
  isTransient,
  type EtcdHost,
  type EtcdHosts,
} from './etcd-hosts.ts';
import type { EtcdKeys } from './etcd-keys.ts';
import { batchOf, unreadable, type Change, type ChangeBatch, type WatchOptions } from './store.ts';

const pauseMs = 100;

export interface EtcdWatchComponents {
  readonly hosts: EtcdHosts;
  readonly keys: EtcdKeys;
  /** All that there is below a prefix, at one revision. */
  readonly readAll: (prefix: string) => Promise<ChangeBatch>;
  /** The newest revision of the cluster. */
  readonly revision: () => Promise<number>;
}

/**
 * The changes below a prefix, whatever becomes of members of the cluster. The client's own watches can
 * miss changes: when one is created with an old revision and the connection is lost before the changes
 * came, it goes on behind them. Here a watch goes on behind what it has told.
 */
export async function* watchEtcd(
  components: EtcdWatchComponents,
  prefix: string,
  { fromRevision, signal }: WatchOptions,
): AsyncGenerator<ChangeBatch> {
  const { hosts, readAll } = components;
  let known: number | undefined;
  let isChecked = fromRevision === undefined;
  while (!signal.aborted) {
    const host = hosts.current;
    try {
      if (!isChecked) {
        known = await usable(components, fromRevision);
        isChecked = true;
      }
      if (known === undefined) {
        const whole = await readAll(prefix);
        known = whole.revision;
        yield whole;
      }
      for await (const batch of streamFrom(host, components.keys.range(prefix), known, signal)) {
        known = batch?.revision;
        if (batch === undefined) break;
        yield named(batch, components.keys);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isTransient(error)) hosts.leave(host);
      else if (!isCompacted(error)) throw unreadable(etcdReason(error), error);
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

/** A revision that the cluster has not reached is of another one, or from before a backup came back. */
async function usable(
  { revision }: EtcdWatchComponents,
  fromRevision: number | undefined,
): Promise<number | undefined> {
  return fromRevision !== undefined && fromRevision <= (await revision())
    ? fromRevision
    : undefined;
}

const named = (batch: RawBatch, keys: EtcdKeys): ChangeBatch =>
  batchOf(
    batch.changes.map((change) => ({ ...change, key: keys.decode(change.key) })),
    { isWhole: false, revision: batch.revision },
  );

interface RawBatch {
  readonly changes: readonly (Omit<Change, 'key'> & { readonly key: Buffer })[];
  readonly revision: number;
}

/** What a member tells after a revision; undefined: the history does not reach back to it. */
async function* streamFrom(
  host: EtcdHost,
  range: { readonly key: Buffer; readonly range_end: Buffer },
  known: number,
  signal: AbortSignal,
): AsyncGenerator<RawBatch | undefined> {
  const stream = await host.client.watchClient.watch();
  const stop = () => {
    // A stream that was not ended first counts as a failure of the member.
    stream.end();
    stream.cancel();
  };
  const ended = AbortSignal.any([signal, host.left]);
  ended.addEventListener('abort', stop);
  try {
    if (ended.aborted) return;
    stream.write({ create_request: { ...range, start_revision: known + 1, fragment: true } });
    let changes: RawBatch['changes'] = [];
    // It is a duplex stream of Node; the client's types say less.
    for await (const answer of stream as unknown as AsyncIterable<IWatchResponse>) {
      if (answer.canceled) {
        if (Number(answer.compact_revision) === 0) throw new Error(answer.cancel_reason);
        yield undefined;
        return;
      }
      changes = [...changes, ...changesOf(answer)];
      const revision = changes.at(-1)?.revision;
      // Only the last part of an answer ends with a whole commit.
      if (answer.fragment || revision === undefined) continue;
      yield { changes, revision };
      changes = [];
    }
  } finally {
    ended.removeEventListener('abort', stop);
    stop();
  }
}

const changesOf = ({ events }: IWatchResponse): RawBatch['changes'] =>
  events.map(({ type, kv }) => ({
    key: kv.key,
    value: type === 'Put' ? kv.value.toString() : undefined,
    revision: Number(kv.mod_revision),
  }));
