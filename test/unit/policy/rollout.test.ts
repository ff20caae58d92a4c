import { expect, test } from 'vitest';
import {
  act,
  createRollout,
  decide,
  parsePlan,
  permitLeaseMs,
  previewRollout,
  rolloutStatus,
  unavailableHosts,
  type FleetView,
  type HostReport,
  type HostView,
  type RolloutAction,
  type RolloutState,
} from '../../../src/policy/index.ts';

const t0 = Date.UTC(2026, 0, 5, 12);

const start = (text = 'waves=1,100% max-unavailable=2 gate=10s deadline=60s abort-on=2') =>
  createRollout({ id: 'rollout', release: 'new', plan: parsePlan(text), epoch: 0, nowMs: t0 });

const old: HostReport = {
  number: 1,
  epoch: 0,
  acted: 0,
  release: 'old',
  state: 'healthy',
  isPrefetched: true,
};

const aHost = (id: string, view: Partial<HostView> = {}): HostView => ({
  id,
  labels: {},
  isHeld: false,
  report: old,
  ...view,
});

const fleetOf = (hosts: readonly HostView[], unavailable: readonly string[] = []): FleetView => ({
  hosts,
  unavailable,
});
const names = (count: number) => Array.from({ length: count }, (_, at) => `host ${at}`);
const manyHosts = (count: number, view?: Partial<HostView>) =>
  names(count).map((name) => aHost(name, view));

const done = (state: RolloutState, action: RolloutAction, nowMs = t0): RolloutState => {
  const result = act(state, action, nowMs);
  if ('refused' in result) throw new Error(result.refused);
  return result.state;
};

const activatable = (state: RolloutState, fleet: FleetView, nowMs = t0): string[] =>
  decide(state, fleet, nowMs)
    .permits.filter(({ action }) => action === 'activate')
    .map(({ host }) => host);

/** The host does what it was told last, and this comes of it. */
function answer(
  state: RolloutState,
  fleet: FleetView,
  id: string,
  report: Partial<HostReport> = {},
): FleetView {
  const epoch = state.hosts[id]?.epoch ?? 0;
  return change(fleet, id, ({ report: last }) => ({
    report: {
      ...(last ?? old),
      number: (last?.number ?? 0) + 1,
      epoch,
      acted: epoch,
      release: 'new',
      state: 'healthy',
      ...report,
    },
  }));
}

const change = (
  fleet: FleetView,
  id: string,
  by: (host: HostView) => Partial<HostView>,
): FleetView => ({
  ...fleet,
  hosts: fleet.hosts.map((host) => (host.id === id ? { ...host, ...by(host) } : host)),
});

/** A rollout whose first host is healthy on the release, and whose second wave has opened. */
function opened(text?: string, count = 10) {
  let fleet = fleetOf(manyHosts(count));
  const first = decide(start(text), fleet, t0);
  const [{ host = '' } = {}] = first.permits;
  fleet = answer(first.state, fleet, host);
  const healthy = decide(first.state, fleet, t0 + 1_000);
  const { state } = decide(healthy.state, fleet, t0 + 11_000);
  return { first: host, fleet, state, nowMs: t0 + 11_000 };
}

test('the first wave is permitted at once, by a lease that is given anew', () => {
  const fleet = fleetOf(manyHosts(10));
  const decided = decide(start(), fleet, t0);
  expect(decided.permits).toHaveLength(1);
  expect(decided.permits[0]).toMatchObject({
    action: 'activate',
    release: 'new',
    epoch: 1,
    validUntilMs: t0 + permitLeaseMs,
  });
  expect(decided.lookAgainAtMs).toBe(t0 + 1_000);
  expect(decided.changedHosts).toEqual(Object.keys(decided.state.hosts));
  const again = decide(decided.state, fleet, t0 + 1_000);
  expect(again.state).toBe(decided.state);
  expect(again.changedHosts).toEqual([]);
  expect(again.permits[0]).toMatchObject({ epoch: 1, validUntilMs: t0 + 1_000 + permitLeaseMs });
});

test('the next wave opens when the first was healthy for the gate, and its limit holds', () => {
  const fleet = fleetOf(manyHosts(10));
  const first = decide(start(), fleet, t0);
  const [{ host = '' } = {}] = first.permits;
  const moved = answer(first.state, fleet, host);
  const healthy = decide(first.state, moved, t0 + 1_000);
  expect(healthy.permits).toEqual([]);
  expect(healthy.lookAgainAtMs).toBe(t0 + 11_000);
  expect(decide(healthy.state, moved, t0 + 10_999).permits).toEqual([]);
  const next = decide(healthy.state, moved, t0 + 11_000);
  expect(next.events.map(({ type }) => type)).toEqual(['waveOpened', 'permitted', 'permitted']);
});

test('a host that is not healthy during the gate begins it anew', () => {
  const fleet = fleetOf(manyHosts(10));
  const first = decide(start('waves=1,100% gate=10s'), fleet, t0);
  const [{ host = '' } = {}] = first.permits;
  const moved = answer(first.state, fleet, host);
  let { state } = decide(first.state, moved, t0 + 1_000);
  const lost = change(moved, host, () => ({ unreachableSinceMs: t0 + 5_000 }));
  state = decide(state, lost, t0 + 6_000).state;
  const back = decide(state, moved, t0 + 7_000);
  expect(back.lookAgainAtMs).toBe(t0 + 17_000);
});

const nothing = { ...old, release: undefined, state: 'empty' } as const;

test('on a first release the limit holds too', () => {
  const fleet = fleetOf(manyHosts(100, { report: nothing }));
  const state = start('waves=100% max-unavailable=5%');
  expect(activatable(state, fleet)).toHaveLength(5);
});

test('on a later release hosts that run nothing count as unavailable', () => {
  const state = start('waves=100% max-unavailable=2');
  const two = ['host 0', 'host 1'];
  const missing = { ...nothing, isPrefetched: false };
  const hosts = (report: HostReport | undefined) =>
    fleetOf(manyHosts(8).map((host) => (two.includes(host.id) ? { ...host, report } : host)));
  expect(unavailableHosts(state, hosts(missing))).toEqual(two);
  expect(unavailableHosts(state, hosts(undefined))).toEqual(two);
  expect(activatable(state, hosts(missing))).toEqual([]);
  expect(activatable(state, hosts(nothing)).sort()).toEqual(two);
});

test('a host that a move has left with nothing counts, and its rollout does not wait for it for ever', () => {
  const fleet = fleetOf(manyHosts(8));
  const text = 'waves=100% max-unavailable=1 deadline=60s abort-on=8';
  const first = decide(start(text), fleet, t0);
  const [{ host = '' } = {}] = first.permits;
  const left = answer(first.state, fleet, host, { release: undefined, state: 'empty' });
  const noted = decide(first.state, left, t0 + 1_000);
  expect(unavailableHosts(noted.state, left)).toEqual([host]);
  expect(noted.permits).toEqual([]);
  expect(decide(noted.state, left, t0 + 61_000).state.stopReason).toBe('deadline');
});

test('a release is not the first where somebody who moved ran something before', () => {
  const fleet = fleetOf(manyHosts(2));
  const { state } = decide(start('waves=100% max-unavailable=2 abort-on=8'), fleet, t0);
  const moved = answer(state, fleet, 'host 0');
  const left = answer(state, moved, 'host 1', { release: undefined, state: 'empty' });
  expect(unavailableHosts(decide(state, left, t0).state, left)).toEqual(['host 1']);
});

test('a first release whose first activation fails leaves a host as it was', () => {
  const fleet = fleetOf(manyHosts(3, { report: nothing }));
  const first = decide(start('waves=100% max-unavailable=1 abort-on=3'), fleet, t0);
  const [{ host = '' } = {}] = first.permits;
  const failed = answer(first.state, fleet, host, { release: undefined, state: 'empty' });
  const { permits } = decide(first.state, failed, t0 + 1_000);
  expect(permits).toHaveLength(1);
  expect(permits[0]?.host).not.toBe(host);
});

test('hosts that are sick anyhow move when they fill the room, wherever they stand in the order', () => {
  const sick = ['host 3', 'host 11'];
  const ids = names(20);
  const fleet = fleetOf(
    ids.map((id) => aHost(id, sick.includes(id) ? { report: { ...old, state: 'failed' } } : {})),
  );
  for (let number = 0; number < 20; number++) {
    const text = 'waves=1,100% max-unavailable=5% gate=10s';
    const state = { ...start(text), id: `rollout ${number}` };
    const permitted = activatable(state, fleet);
    expect(permitted).toHaveLength(1);
    expect(sick).toContain(permitted[0]);
  }
});

test('what is unavailable elsewhere in the app, unreachable, or unhealthy takes up room', () => {
  const state = start('waves=100% max-unavailable=4');
  const fleet = fleetOf(manyHosts(10), ['of another channel']);
  const worse = change(fleet, 'host 3', () => ({ unreachableSinceMs: t0 }));
  expect(activatable(state, worse)).toHaveLength(2);
  const sick = change(worse, 'host 4', () => ({ report: { ...old, state: 'failed' } }));
  // The sick host itself adds nothing to those that are unavailable.
  expect(activatable(state, sick).filter((id) => id !== 'host 4')).toHaveLength(1);
});

test('no more than the limit are on their way, however many are unavailable by themselves', () => {
  const sick = { ...old, state: 'failed' } as const;
  const fleet = fleetOf(manyHosts(10, { report: sick }));
  expect(activatable(start('waves=100% max-unavailable=3'), fleet)).toHaveLength(3);
});

test('the gate waits for all who are on their way', () => {
  const fleet = fleetOf(manyHosts(10));
  const { state } = decide(start('waves=2,100% max-unavailable=2 gate=0s'), fleet, t0);
  const [one = '', two = ''] = Object.keys(state.hosts);
  const tries = answer(state, answer(state, fleet, one), two, { state: 'activating' });
  const waiting = decide(state, tries, t0 + 1_000);
  expect(waiting.state.wave).toBe(0);
  expect(decide(waiting.state, answer(state, tries, two), t0 + 2_000).state.wave).toBe(1);
});

test('a wave waits for hosts that fetch, until its deadline', () => {
  const fleet = fleetOf([aHost('a'), aHost('b', { report: { ...old, isPrefetched: false } })]);
  const first = decide(start('waves=100% max-unavailable=2 gate=0s deadline=60s'), fleet, t0);
  const moved = answer(first.state, fleet, 'a');
  const waiting = decide(first.state, moved, t0 + 1_000);
  expect([waiting.state.phase, waiting.lookAgainAtMs]).toEqual(['running', t0 + 60_000]);
  const ended = decide(waiting.state, moved, t0 + 60_000);
  expect(ended.state.phase).toBe('done');
  const fetched = change(moved, 'b', () => ({ report: old }));
  expect(activatable(ended.state, fetched, t0 + 90_000)).toEqual(['b']);
});

test('a host whose image lacks values is not due, is waited for as one that fetches, and is said', () => {
  const lacks = { ...old, unmet: ['API'] };
  const fleet = fleetOf([aHost('a'), aHost('b', { report: lacks })]);
  const first = decide(start('waves=100% max-unavailable=2 gate=0s deadline=60s'), fleet, t0);
  expect(first.permits.map(({ host }) => host)).toEqual(['a']);
  const moved = answer(first.state, fleet, 'a');
  const waiting = decide(first.state, moved, t0 + 1_000);
  expect([waiting.state.phase, waiting.lookAgainAtMs]).toEqual(['running', t0 + 60_000]);
  expect(rolloutStatus(waiting.state, moved, t0 + 1_000)).toMatchObject({
    waitsFor: 'settings',
    total: 2,
    standings: { tried: 1, unmet: 1 },
  });
  expect(decide(waiting.state, moved, t0 + 60_000).state.phase).toBe('done');
  const met = change(moved, 'b', () => ({ report: old }));
  expect(activatable(waiting.state, met, t0 + 2_000)).toEqual(['b']);
});

test('who comes during the gate waits for the next wave, and does not begin the gate anew', () => {
  const fleet = fleetOf(manyHosts(10));
  const { state } = decide(start('waves=10%,100% gate=10s'), fleet, t0);
  const [one = ''] = Object.keys(state.hosts);
  const moved = answer(state, fleet, one);
  const healthy = decide(state, moved, t0 + 1_000);
  const more = names(10).map((name) => aHost(`late ${name}`));
  const grown = fleetOf([...moved.hosts, ...more]);
  const gated = decide(healthy.state, grown, t0 + 2_000);
  expect(gated.permits).toEqual([]);
  expect(decide(gated.state, grown, t0 + 11_000).state.wave).toBe(1);
});

test('a wave that opens for nobody who can move goes on by the clock', () => {
  const fleet = fleetOf([aHost('a'), aHost('b')]);
  const first = decide(start('waves=1,100% gate=10s'), fleet, t0);
  const [{ host = '' } = {}] = first.permits;
  let seen = answer(first.state, fleet, host);
  for (const { id } of fleet.hosts) {
    if (id !== host) seen = change(seen, id, () => ({ unreachableSinceMs: t0 }));
  }
  const healthy = decide(first.state, seen, t0 + 1_000);
  const next = decide(healthy.state, seen, t0 + 11_000);
  expect([next.state.wave, next.lookAgainAtMs]).toEqual([1, t0 + 11_001]);
  const gate = decide(next.state, seen, t0 + 11_001);
  expect(decide(gate.state, seen, t0 + 21_001).state.phase).toBe('done');
});

test('permits nobody acted on are taken back when others become unavailable', () => {
  const fleet = fleetOf(manyHosts(10));
  const { state } = decide(start('waves=100% max-unavailable=2'), fleet, t0);
  const later = decide(state, fleetOf(manyHosts(10), ['one', 'two']), t0 + 1_000);
  expect(later.permits.map(({ action }) => action)).toEqual(['hold', 'hold']);
  expect(unavailableHosts(later.state, fleet)).toHaveLength(2);
});

test('a permit that ran out counts until its host has heard that it did', () => {
  const fleet = fleetOf(manyHosts(4));
  const { state } = decide(start('waves=100% max-unavailable=1 gate=0s'), fleet, t0);
  const paused = decide(done(state, { type: 'pause' }), fleet, t0 + 100);
  const resumed = done(paused.state, { type: 'resume' }, t0 + 60_000);
  // A report from before says nothing, however late it comes and whatever its number.
  const stale = change(fleet, 'host 0', () => ({ report: { ...old, number: 99 } }));
  for (const seen of [fleet, stale]) expect(activatable(resumed, seen, t0 + 30_000)).toEqual([]);
  const [{ host = '' } = {}] = paused.permits;
  const heard = answer(paused.state, fleet, host, { acted: 0, release: 'old' });
  expect(activatable(resumed, heard, t0 + 30_000)).toEqual([host]);
});

test('reports that come twice or late change nothing', () => {
  const { first, fleet, state, nowMs } = opened();
  const late = change(fleet, first, () => ({ report: { ...old, state: 'wentBack' } }));
  const decided = decide(state, late, nowMs);
  expect(decided.state).toBe(state);
  expect(decided.events).toEqual([]);
});

test('a host that is not healthy by the deadline has failed, and counts until it says so', () => {
  const fleet = fleetOf(manyHosts(10));
  const first = decide(start('waves=1,100% deadline=60s abort-on=2 gate=0s'), fleet, t0);
  const [{ host = '' } = {}] = first.permits;
  const tries = answer(first.state, fleet, host, { state: 'activating' });
  const trying = decide(first.state, tries, t0 + 1_000);
  expect(trying.lookAgainAtMs).toBe(t0 + 60_000);
  const late = decide(trying.state, tries, t0 + 60_000);
  expect(late.events).toEqual([{ type: 'failed', host, failure: 'late' }]);
  expect(unavailableHosts(late.state, tries)).toEqual([host]);
  const healthy = decide(late.state, answer(late.state, tries, host), t0 + 61_000);
  expect(healthy.state.hosts[host]).toMatchObject({ phase: 'healthy', failure: undefined });
});

test('a rollout that its own failures keep from going on is stopped by the deadline', () => {
  const fleet = fleetOf(manyHosts(10));
  const first = decide(start('waves=1,100% deadline=60s abort-on=2'), fleet, t0);
  const [{ host = '' } = {}] = first.permits;
  const failed = answer(first.state, fleet, host, { state: 'failed' });
  const stalled = decide(first.state, failed, t0 + 1_000);
  expect(stalled.lookAgainAtMs).toBe(t0 + 61_000);
  const ended = decide(stalled.state, failed, t0 + 61_000);
  expect(ended.events).toContainEqual({ type: 'stopped', reason: 'deadline', goesBack: true });
  expect(ended.permits).toMatchObject([{ host, action: 'goBack' }]);
});

test('a rollout that waits for others is not stopped', () => {
  const { fleet, state, nowMs } = opened();
  const filled = fleetOf(fleet.hosts, ['one', 'two', 'three']);
  let waiting = decide(state, filled, nowMs).state;
  let heard = filled;
  for (const [id, { phase }] of Object.entries(waiting.hosts)) {
    if (phase === 'recalled') heard = answer(waiting, heard, id, { acted: 0, release: 'old' });
  }
  for (let hour = 0; hour < 5; hour++) {
    waiting = decide(waiting, heard, nowMs + 1_000 + hour * 3_600_000).state;
  }
  expect(waiting.phase).toBe('running');
});

test('too many failures stop it, also while it is paused', () => {
  const { fleet, state, nowMs } = opened();
  const [one = '', two = ''] = decide(state, fleet, nowMs).permits.map(({ host }) => host);
  const paused = done(state, { type: 'pause' });
  let failing = answer(paused, fleet, one, { state: 'wentBack', release: 'old' });
  expect(decide(paused, failing, nowMs).state.phase).toBe('paused');
  failing = answer(paused, failing, two, { state: 'wentBack', release: 'old' });
  const stopped = decide(paused, failing, nowMs);
  expect(stopped.state).toMatchObject({ phase: 'goingBack', stopReason: 'failures' });
});

test('who has moved is sent back within the limit, and who is on its way at once', () => {
  const { first, fleet, state, nowMs } = opened('waves=1,100% max-unavailable=1 gate=10s');
  const [{ host: second = '' } = {}] = decide(state, fleet, nowMs).permits;
  const tries = answer(state, fleet, second, { state: 'activating' });
  const going = decide(done(state, { type: 'abort' }), tries, nowMs);
  expect(going.permits).toMatchObject([{ host: second, action: 'goBack' }]);
  const wentBack = answer(going.state, tries, second, { release: 'old' });
  const next = decide(going.state, wentBack, nowMs + 1_000);
  expect(next.permits).toMatchObject([{ host: first, action: 'goBack' }]);
  const all = decide(next.state, answer(next.state, wentBack, first, { release: 'old' }), nowMs);
  expect(all.state.phase).toBe('aborted');
  expect(all.permits).toEqual([]);
});

test('a host is back when it has acted and is well; what it says before is not of that', () => {
  const { first, fleet, state, nowMs } = opened('waves=1,100% gate=10s', 1);
  const going = decide(done(state, { type: 'abort' }), fleet, nowMs);
  for (const said of [
    { acted: 1 },
    { state: 'activating', release: 'old' },
    { state: 'failed', release: 'old' },
  ] as const) {
    const seen = answer(going.state, fleet, first, said);
    expect(decide(going.state, seen, nowMs).state).toBe(going.state);
  }
});

test('a rollout that goes back has not ended while there is no room to send back the last', () => {
  const { fleet, state, nowMs } = opened('waves=1,100% gate=10s', 1);
  const filled = fleetOf(fleet.hosts, ['another']);
  const going = decide(done(state, { type: 'abort' }), filled, nowMs);
  expect([going.state.phase, going.permits]).toEqual(['goingBack', []]);
  expect(decide(going.state, fleet, nowMs).permits).toHaveLength(1);
});

test('who is held, or pinned to something else, is not sent back', () => {
  const { first, fleet, state, nowMs } = opened('waves=1,100% gate=10s', 1);
  const aborted = done(state, { type: 'abort' });
  for (const fixed of [{ isHeld: true }, { pin: 'other' }]) {
    const seen = change(fleet, first, () => fixed);
    const { permits, state: ended } = decide(aborted, seen, nowMs);
    expect([permits, ended.phase]).toEqual([[], 'aborted']);
  }
});

test('a host that had nothing before stays when the others are sent back', () => {
  const empty = { ...old, release: undefined, state: 'empty' } as const;
  const fleet = fleetOf(manyHosts(1, { report: empty }));
  const { state } = decide(start(), fleet, t0);
  const moved = answer(state, fleet, 'host 0');
  const { state: healthy } = decide(state, moved, t0);
  const stopped = decide(done(healthy, { type: 'abort' }), moved, t0);
  expect(stopped.permits).toEqual([]);
  expect(stopped.state.phase).toBe('aborted');
});

test('a host that could not be sent back is not told so again', () => {
  const { first, fleet, state, nowMs } = opened('waves=1,100% max-unavailable=1 gate=10s', 1);
  const going = decide(done(state, { type: 'abort' }), fleet, nowMs);
  const onIt = answer(going.state, fleet, first);
  const stayed = decide(going.state, onIt, nowMs);
  expect(stayed.events).toContainEqual({ type: 'failed', host: first, failure: 'stays' });
  expect(stayed.state.phase).toBe('aborted');
  const again = decide(stayed.state, answer(stayed.state, onIt, first), nowMs);
  expect(again.permits).toEqual([]);
});

test('an abort is valid in every state, and says who goes back', () => {
  const running = start();
  const states = [
    running,
    done(running, { type: 'pause' }),
    { ...running, phase: 'done' as const },
    done(running, { type: 'abort' }),
  ];
  for (const state of states) {
    expect(done(state, { type: 'abort', goBack: false })).toMatchObject({ phase: 'aborted' });
    expect(done(state, { type: 'abort', goBack: true })).toMatchObject({ phase: 'goingBack' });
  }
});

test('what ended can not go on: that is refused with what to do instead', () => {
  const ended = done(start(), { type: 'abort' });
  const actions: RolloutAction[] = [
    { type: 'pause' },
    { type: 'resume' },
    { type: 'promote', waves: 'all' },
    { type: 'retry' },
  ];
  for (const action of actions) {
    expect(act(ended, action, t0)).toHaveProperty('refused');
  }
});

test('promoting opens a wave without its gate; limits hold', () => {
  const fleet = fleetOf(manyHosts(10));
  const promoted = done(start(), { type: 'promote', waves: 'all' });
  expect(activatable(promoted, fleet)).toHaveLength(2);
});

test('who failed is tried again when somebody says so, by a new epoch', () => {
  const fleet = fleetOf(manyHosts(3));
  const { state } = decide(start('waves=100% max-unavailable=3 abort-on=3'), fleet, t0);
  const failed = answer(state, fleet, 'host 1', { state: 'wentBack', release: 'old' });
  const noted = decide(state, failed, t0);
  expect(activatable(noted.state, failed)).not.toContain('host 1');
  const again = decide(done(noted.state, { type: 'retry' }), failed, t0);
  expect(again.permits).toContainEqual(expect.objectContaining({ host: 'host 1', epoch: 4 }));
});

test('who failed and is to be tried again counts all the while, whatever an old report says', () => {
  const fleet = fleetOf(manyHosts(3));
  const { state } = decide(start('waves=100% max-unavailable=1 abort-on=3'), fleet, t0);
  const [host = ''] = Object.keys(state.hosts);
  const failed = answer(state, fleet, host, { state: 'failed' });
  const noted = decide(state, failed, t0);
  expect(unavailableHosts(noted.state, fleet)).toEqual([host]);
  const retried = done(noted.state, { type: 'retry' });
  expect(unavailableHosts(retried, fleet)).toEqual([host]);
  const still = answer(retried, failed, host, { state: 'failed' });
  expect(activatable(retried, still)).toEqual([host]);
});

test('a permit that nobody acted on by the deadline is taken back', () => {
  const fleet = fleetOf(manyHosts(3));
  const { state } = decide(start('waves=100% max-unavailable=1 deadline=60s'), fleet, t0);
  const late = decide({ ...state, phase: 'done' }, fleet, t0 + 60_000);
  expect(late.events.map(({ type }) => type)).toEqual(['failed', 'recalled']);
  expect(late.permits).toMatchObject([{ action: 'hold' }]);
});

test('who comes late joins when all is done; who left is forgotten', () => {
  const { first, fleet, state, nowMs } = opened('waves=1,100% gate=10s', 1);
  const healthy = decide(state, fleet, nowMs + 1_000);
  const ended = decide(healthy.state, fleet, nowMs + 11_000);
  expect(ended.state.phase).toBe('done');
  const later = decide(ended.state, fleetOf([aHost('late')]), nowMs + 60_000);
  expect(later.events).toEqual([
    { type: 'left', host: first },
    { type: 'permitted', host: 'late', epoch: 2 },
  ]);
});

test('a newer rollout counts what the one before it had permitted, until that is answered', () => {
  const fleet = fleetOf(manyHosts(5));
  const text = 'waves=100% max-unavailable=1';
  const first = decide(start(text), fleet, t0);
  const before = decide(done(first.state, { type: 'abort', goBack: false }), fleet, t0).state;
  const newer = { ...start(text), release: 'newer', epoch: before.epoch };
  const unavailable = unavailableHosts(before, fleet);
  expect(unavailable).toEqual(first.permits.map(({ host }) => host));
  const [host = ''] = unavailable;
  const others = fleetOf(fleet.hosts.filter(({ id }) => id !== host));
  expect(activatable(newer, { ...others, unavailable })).toEqual([]);
  const heard = answer(before, fleet, host, { acted: 0, release: 'old' });
  expect(unavailableHosts(decide(before, heard, t0).state, heard)).toEqual([]);
});

test('a host is only permitted in its window, and waited for', () => {
  const fleet = fleetOf([aHost('eu', { labels: { zone: 'eu' } }), aHost('us')]);
  const state = start(
    'waves=100% max-unavailable=2 gate=0s deadline=3h window=zone:eu@Mon/13:00-14:00',
  );
  const first = decide(state, fleet, t0);
  expect(first.permits.map(({ host }) => host)).toEqual(['us']);
  const moved = answer(first.state, fleet, 'us');
  const waiting = decide(first.state, moved, t0 + 1_000);
  expect(waiting.state.phase).toBe('running');
  expect(waiting.lookAgainAtMs).toBe(t0 + 3_600_000);
  const inTime = decide(waiting.state, moved, t0 + 3_600_000);
  expect(inTime.permits.map(({ host }) => host)).toEqual(['eu']);
  const closed = decide(inTime.state, moved, t0 + 7_200_000);
  expect(closed.permits).toMatchObject([{ host: 'eu', action: 'hold' }]);
});

test('a preview says who moves in which wave, and why others do not', () => {
  const hosts = [
    ...manyHosts(8),
    aHost('pinned', { pin: 'old' }),
    aHost('held', { isHeld: true }),
    aHost('there', { report: { ...old, release: 'new' } }),
    aHost('gone', { unreachableSinceMs: t0 }),
    aHost('eu', { labels: { zone: 'eu' } }),
  ];
  const state = start('waves=1,50%,100% window=zone:eu@Sun/02:00-04:00');
  const preview = previewRollout(state, fleetOf(hosts), t0);
  expect(preview.sizes).toEqual([1, 5, 10]);
  expect(preview.hosts.map(({ wave }) => wave).slice(0, 8)).toEqual([0, 1, 1, 1, 1, 2, 2, 2]);
  expect(preview.hosts.slice(8).map(({ host, standing }) => [host, standing])).toEqual([
    ['pinned', 'pinned'],
    ['held', 'held'],
    ['there', 'there'],
    ['gone', 'unreachable'],
    ['eu', 'outsideWindow'],
  ]);
  expect(activatable(state, fleetOf(hosts))).toEqual([]);
  expect(activatable(state, fleetOf(hosts.slice(0, 11)))).toEqual([preview.hosts[0]?.host]);
});

test('a status says how many did what, and what the rollout waits for', () => {
  const { fleet, state, nowMs } = opened();
  expect(rolloutStatus(state, fleet, nowMs)).toEqual({
    waitsFor: 'hosts',
    tried: 3,
    open: 10,
    total: 10,
    unavailable: 2,
    limit: 2,
    failures: 0,
    phases: { healthy: 1, permitted: 2 },
    standings: { tried: 3, due: 7 },
  });
  const waits = (seen: FleetView, of = start()) => rolloutStatus(of, seen, nowMs).waitsFor;
  expect(waits(fleet, done(state, { type: 'pause' }))).toBe('operator');
  expect(waits(fleetOf(manyHosts(2), ['one', 'two']))).toBe('room');
  expect(waits(fleetOf(manyHosts(2, { report: { ...old, isPrefetched: false } })))).toBe('images');
  expect(waits(fleetOf(manyHosts(2, { unreachableSinceMs: t0 })))).toBe('unreachable');
  expect(waits(fleet, done(state, { type: 'abort', goBack: false }))).toBeUndefined();
});

test('a state that was stored as JSON is decided as the one that was not', () => {
  const { fleet, state, nowMs } = opened();
  const stored = JSON.parse(JSON.stringify(state)) as RolloutState;
  const restarted = decide(stored, fleet, nowMs + 1_000);
  expect(restarted).toEqual(decide(state, fleet, nowMs + 1_000));
  expect(restarted.state).toBe(stored);
});
