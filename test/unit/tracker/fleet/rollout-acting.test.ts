import { expect, test } from 'vitest';
import { RolloutClient, TrackerClient } from '../../../../src/api/index.ts';
import { HostPins } from '../../../../tracker/fleet/host-pins.ts';
import { actOnce } from '../../../../tracker/fleet/rollout-acting.ts';
import { rolloutRoutes } from '../../../../tracker/fleet/rollout-routes.ts';
import { openFrame } from '../rest/rest-frame.ts';
import { newImage, RolloutFleet } from './rollout-fleet.ts';

const name = { app: 'web', channel: 'stable' };
const promote = { type: 'promote', waves: 'next' } as const;

/** A tracker whose first answers get lost on the way. */
async function openRollout(lostAnswers: number) {
  const fleet = await RolloutFleet.open(6);
  const tracker = await fleet.startTracker('first');
  fleet.connect(fleet.hosts, tracker);
  fleet.release(2, 'waves=1,2,3,100% max-unavailable=1 gate=1h deadline=20s');
  await fleet.run(30_000, () => fleet.count(newImage) === 1);
  const pins = new HostPins({ store: fleet.store, audit: tracker.audit });
  const rest = await openFrame(rolloutRoutes({ driver: tracker.driver, pins, clock: fleet.clock }));
  const url = await rest.app.listen({ host: '127.0.0.1', port: 0 });
  let calls = 0;
  const lossy: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    if (++calls <= lostAnswers) throw new TypeError('the connection was reset');
    return response;
  };
  const client = new TrackerClient({ fetch: lossy }, { url, token: rest.token });
  const waveOf = () => tracker.driver.get('web', 'stable')?.rollout.state.wave;
  return { rollouts: new RolloutClient({ tracker: client }), waveOf };
}

test('a promotion whose answer was lost opens one wave', async () => {
  const { rollouts, waveOf } = await openRollout(2);
  const after = await actOnce(rollouts, name, promote, { againMs: 0 });
  expect([after.wave, waveOf()]).toEqual([2, 1]);
});

test('a tracker that does not answer is not asked for ever', async () => {
  const { rollouts, waveOf } = await openRollout(3);
  const acting = actOnce(rollouts, name, promote, { againMs: 0 });
  await expect(acting).rejects.toMatchObject({ code: 'TRACKER_UNREACHABLE' });
  expect(waveOf()).toBe(1);
});
