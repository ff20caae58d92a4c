import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  createRollout,
  defaultRolloutPlan,
  type HostEntry,
  type RolloutState,
} from '../../../../src/policy/index.ts';
import { AuditLog } from '../../../../tracker/audit/index.ts';
import { RolloutTable, type ChannelRollouts } from '../../../../tracker/fleet/rollout-table.ts';
import { newStored } from '../../../../tracker/fleet/stored-rollout.ts';
import type { Store } from '../../../../tracker/store/index.ts';
import { SqliteStore } from '../../../../tracker/store/sqlite-store.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

const at = { app: 'web', channel: 'stable' };
const record = { actor: 'tracker', action: 'rollout.progress', subject: 'web/stable' } as const;

async function openStore(): Promise<Store> {
  const path = join(await temporaryDirectory(), 'store.db');
  const store = await SqliteStore.open({ path });
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}

function openTable(store: Store): RolloutTable {
  const audit = new AuditLog({ store, now: () => 0 });
  onTestFinished(() => audit[Symbol.asyncDispose]());
  return new RolloutTable({ store, audit });
}

/** Follows until the test is over. */
function follow(table: RolloutTable): void {
  const closing = new AbortController();
  const following = table.follow(() => undefined, { signal: closing.signal });
  onTestFinished(async () => {
    closing.abort();
    await following;
  });
}

const entry = (epoch: number, change: Partial<HostEntry> = {}): HostEntry => ({
  phase: 'permitted',
  epoch,
  permit: epoch,
  sinceMs: 1_700_000_000_000 + epoch,
  number: epoch,
  ...change,
});

/** A state with so many hosts, whose ids are as long as real ones. */
function stateWith(hostCount: number, number = 1): RolloutState {
  const init = { id: `web/stable/${number}`, release: `image ${number}`, epoch: 0, nowMs: 0 };
  const hosts: Record<string, HostEntry> = {};
  for (let host = 0; host < hostCount; host++) {
    const id = `12D3KooW${String(host).padStart(44, 'x')}`;
    hosts[id] = entry(host + 1, host % 7 === 0 ? { failure: 'late', isFirst: true } : {});
  }
  return { ...createRollout({ ...init, plan: defaultRolloutPlan }), hosts, epoch: hostCount };
}

const rolloutOf = (state: RolloutState, number = 1) => {
  const head = { number, version: '1.0.0', startedAt: new Date(0).toISOString() };
  return { ...newStored(head, state), state };
};

const commit = (
  table: RolloutTable,
  before: ChannelRollouts | undefined,
  after: Omit<ChannelRollouts, 'revision' | 'app' | 'channel'>,
) => table.commit({ before, after: { ...at, ...after }, record: { ...record, outcome: 'done' } });

test('a rollout of a large fleet is stored, read elsewhere and followed as it is', async () => {
  const store = await openStore();
  const [writer, reader, follower] = [openTable(store), openTable(store), openTable(store)];
  follow(follower);
  const state = stateWith(12_000);
  const stored = await commit(writer, undefined, { rollout: rolloutOf(state), earlier: [] });
  expect(stored.rollout.state).toEqual(state);
  const read = await reader.read('web', 'stable');
  expect(read?.rollout.state).toEqual(state);
  await vi.waitFor(() => {
    expect(follower.get('web', 'stable')?.revision).toBe(stored.revision);
  });
  expect(follower.get('web', 'stable')?.rollout.state).toEqual(state);
});

test('only the parts that changed are written', async () => {
  const store = await openStore();
  const table = openTable(store);
  const state = stateWith(1_000);
  const before = await commit(table, undefined, { rollout: rolloutOf(state), earlier: [] });
  const [id = ''] = Object.keys(state.hosts);
  const next = { ...before.rollout.state, epoch: 2_000 };
  const hosts = { ...next.hosts, [id]: entry(2_000) };
  const after = await commit(table, before, {
    rollout: { ...before.rollout, state: { ...next, hosts } },
    earlier: [],
  });
  const { entries } = await store.list('rollouts/web/stable');
  const written = entries.filter(({ revision }) => revision === after.revision);
  expect(written.map(({ key }) => key)).toEqual([
    'rollouts/web/stable',
    'rollouts/web/stable/1/00000',
  ]);
  expect((await openTable(store).read('web', 'stable'))?.rollout.state.hosts[id]?.epoch).toBe(
    2_000,
  );
});

test('who was not the first changes nothing', async () => {
  const store = await openStore();
  const [one, other] = [openTable(store), openTable(store)];
  const before = await commit(one, undefined, { rollout: rolloutOf(stateWith(3)), earlier: [] });
  const known = await other.read('web', 'stable');
  const paused = {
    ...before.rollout,
    state: { ...before.rollout.state, phase: 'paused' as const },
  };
  await commit(one, before, { rollout: paused, earlier: [] });
  const late = commit(other, known, { rollout: rolloutOf(stateWith(5)), earlier: [] });
  await expect(late).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
  expect((await other.read('web', 'stable'))?.rollout.state.phase).toBe('paused');
});

test('a rollout that is over for all hosts leaves nothing behind', async () => {
  const store = await openStore();
  const table = openTable(store);
  const first = await commit(table, undefined, {
    rollout: rolloutOf(stateWith(300)),
    earlier: [],
  });
  const both = await commit(table, first, {
    rollout: rolloutOf(stateWith(2, 2), 2),
    earlier: [first.rollout],
  });
  expect(both.earlier[0]?.state).toEqual(first.rollout.state);
  await commit(table, both, { rollout: both.rollout, earlier: [] });
  const { entries } = await store.list('rollouts/');
  expect(entries.map(({ key }) => key)).toEqual([
    'rollouts/web/stable',
    'rollouts/web/stable/2/00000',
  ]);
});
