import type { HostEntry, RolloutState } from '../../src/policy/index.ts';
import { put } from './entries.ts';
import { partKey, rowOf, type ChannelRecord } from './rollout-records.ts';

type Head = ChannelRecord['rollout'];
type Put = ReturnType<typeof put>;

/** So many hosts have their entries together: those that were permitted about the same time. */
const hostsPerPart = 128;

/** One rollout with its hosts, and in which part of it each of them is stored. */
export interface StoredRollout {
  readonly head: Omit<Head, 'state'>;
  readonly state: RolloutState;
  readonly partOf: ReadonlyMap<string, number>;
}

export const newStored = (head: Omit<Head, 'state'>, state: RolloutState): StoredRollout => ({
  head,
  state,
  partOf: new Map(),
});

/** What a record says of the rollout, beside its hosts. */
export function headOf({ head, state }: StoredRollout): Head {
  const hostless = { ...state, hosts: undefined };
  return { ...head, state: hostless };
}

/** A rollout from its head and the parts that are there. */
export function assemble(
  { state, ...head }: Head,
  parts: ReadonlyMap<number, Readonly<Record<string, HostEntry>>>,
): StoredRollout {
  const hosts: Record<string, HostEntry> = {};
  const partOf = new Map<string, number>();
  for (const [part, entries] of parts) {
    for (const [id, entry] of Object.entries(entries)) {
      hosts[id] = entry;
      partOf.set(id, part);
    }
  }
  return { head, state: { ...state, hosts }, partOf };
}

/**
 * The same rollout in another state, and the parts that have to be written for that.
 * @param channel the key of its channel
 */
export function changed(
  before: StoredRollout,
  state: RolloutState,
  channel: string,
): { readonly stored: StoredRollout; readonly parts: readonly Put[] } {
  if (state.hosts === before.state.hosts) return { stored: { ...before, state }, parts: [] };
  const partOf = new Map(before.partOf);
  const dirty = new Set<number>();
  const last = new LastPart(before.partOf);
  for (const [id, entry] of Object.entries(state.hosts)) {
    if (before.state.hosts[id] === entry) continue;
    const part = partOf.get(id) ?? last.take();
    partOf.set(id, part);
    dirty.add(part);
  }
  for (const [id, part] of before.partOf) {
    if (Object.hasOwn(state.hosts, id)) continue;
    partOf.delete(id);
    dirty.add(part);
  }
  return {
    stored: { ...before, state, partOf },
    parts: partsOf(before.head.number, { state, partOf }, dirty, channel),
  };
}

function partsOf(
  number: number,
  { state, partOf }: Pick<StoredRollout, 'state' | 'partOf'>,
  dirty: ReadonlySet<number>,
  channel: string,
): Put[] {
  const rows = new Map<number, Record<string, unknown>>([...dirty].map((part) => [part, {}]));
  for (const [id, part] of partOf) {
    const entry = state.hosts[id];
    const row = rows.get(part);
    if (row && entry) row[id] = rowOf(entry);
  }
  return [...rows]
    .sort(([one], [other]) => one - other)
    .map(([part, row]) => put(partKey(channel, number, part), row));
}

/** Where the next new host is put. */
class LastPart {
  #part = 0;
  #size = 0;

  constructor(partOf: ReadonlyMap<string, number>) {
    for (const part of partOf.values()) {
      if (part > this.#part) [this.#part, this.#size] = [part, 0];
      if (part === this.#part) this.#size += 1;
    }
  }

  take(): number {
    if (this.#size === hostsPerPart) [this.#part, this.#size] = [this.#part + 1, 0];
    this.#size += 1;
    return this.#part;
  }
}
