import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { ActivatableImage } from '../../../fetcher/activation-types.ts';
import type { ChannelReport } from '../../../src/control/index.ts';
import {
  act,
  createRollout,
  decide,
  parsePlan,
  type FleetView,
  type HostEntry,
  type RolloutState,
} from '../../../src/policy/index.ts';
import { makeImage, makePlace, until } from './fixture.ts';
import { t0 } from './fleet/permits.ts';
import { RolloutHost, World } from './rollout-host.ts';

vi.setConfig({ testTimeout: 30_000 });

const text = 'waves=1,100% max-unavailable=1 gate=2s deadline=1m abort-on=1';

/** A tracker in small: it decides by what real hosts report, and tells them, once a second. */
class Rollout {
  state: RolloutState;
  readonly #world: World;
  readonly #hosts: ReadonlyMap<string, RolloutHost>;

  constructor(world: World, hosts: ReadonlyMap<string, RolloutHost>, release: string) {
    this.#world = world;
    this.#hosts = hosts;
    const plan = parsePlan(text);
    this.state = createRollout({ id: 'r1', release, plan, epoch: 0, nowMs: t0 });
  }

  entry(id: string): HostEntry | undefined {
    return this.state.hosts[id];
  }

  abort(): void {
    const result = act(this.state, { type: 'abort', goBack: true }, this.#world.nowMs);
    if ('refused' in result) throw new Error(result.refused);
    this.state = result.state;
  }

  /** Goes on, a second of the fleet at a time, until something is so. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    await until(what, async () => {
      this.#world.nowMs += 1_000;
      const { state, permits } = decide(this.state, this.#fleet(), this.#world.nowMs);
      this.state = state;
      for (const { host, release, action, epoch, validUntilMs } of permits) {
        const validUntil = new Date(validUntilMs).toISOString();
        this.#hosts
          .get(host)
          ?.follower.onPermits([
            { app: 'web', channel: 'stable', release, action, epoch, validUntil },
          ]);
      }
      await nextTurn();
      const states = [...this.#hosts.values()].map(({ activation }) => activation.status().state);
      expect(states.filter((one) => one === 'activating').length).toBeLessThanOrEqual(1);
      return isSo();
    });
  }

  #fleet(): FleetView {
    const hosts = [...this.#hosts].map(([id, { reports }]) => {
      const last = reports.at(-1);
      const isPrefetched = last?.prefetched === this.state.release;
      return { id, labels: {}, isHeld: false, report: last && { ...last, isPrefetched } };
    });
    return { hosts, unavailable: [] };
  }
}

/** Three hosts that run version 1, and a rollout of another image to them. */
async function beginRollout(
  make: (place: Awaited<ReturnType<typeof makePlace>>) => Promise<ActivatableImage>,
) {
  const world = new World();
  const hosts = new Map<string, RolloutHost>();
  let image: ActivatableImage | undefined;
  for (const id of ['a', 'b', 'c']) {
    const place = await makePlace();
    const host = await RolloutHost.open(place, world);
    hosts.set(id, host);
    await host.follow(await makeImage(place, '1', {}));
    await host.reported({ state: 'healthy' });
    image = await make(place);
    await host.follow(image, text);
    await host.reported({ prefetched: image.imageId });
  }
  if (image === undefined) throw new Error('there are no hosts');
  return { hosts, rollout: new Rollout(world, hosts, image.imageId) };
}

/** What every host runs, by what it said last. */
const running = (
  hosts: ReadonlyMap<string, RolloutHost>,
): (ChannelReport['release'] | undefined)[] =>
  [...hosts.values()].map(({ reports }) => reports.at(-1)?.release);

test('hosts that are told by the decisions of a rollout take it to its end, one at a time', async () => {
  const { hosts, rollout } = await beginRollout((place) => makeImage(place, '2', {}));
  await rollout.until('it is done', () => rollout.state.phase === 'done');
  expect(running(hosts)).toEqual(['bimage2', 'bimage2', 'bimage2']);
});

test('an image that fails on its first host stops its rollout, and all run what they ran', async () => {
  const { hosts, rollout } = await beginRollout((place) =>
    makeImage(place, '2', { start: ['bin/missing'] }),
  );
  await rollout.until('it is over', () => rollout.state.phase === 'aborted');
  expect(Object.values(rollout.state.hosts)).toMatchObject([
    { phase: 'back', failure: 'wentBack' },
  ]);
  expect(running(hosts)).toEqual(['bimage1', 'bimage1', 'bimage1']);
});

test('an abort sends back the host that had moved, and it alone', async () => {
  const { hosts, rollout } = await beginRollout((place) => makeImage(place, '2', {}));
  await rollout.until('one is healthy', () =>
    Object.values(rollout.state.hosts).some(({ phase }) => phase === 'healthy'),
  );
  rollout.abort();
  await rollout.until('it is over', () => rollout.state.phase === 'aborted');
  const [moved] = Object.keys(rollout.state.hosts);
  expect(rollout.entry(moved ?? '')).toMatchObject({ phase: 'back', failure: undefined });
  expect(running(hosts)).toEqual(['bimage1', 'bimage1', 'bimage1']);
  for (const [id, { events }] of hosts) {
    const versions = events.flatMap((event) =>
      event.event === 'active' ? [event.release.version] : [],
    );
    expect(versions).toEqual(id === moved ? ['1', '2'] : ['1']);
  }
});
