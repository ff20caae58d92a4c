import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type {
  FleetRollout,
  FleetRolloutAction,
  RolloutClient,
  RolloutName,
} from '../../src/api/index.ts';
import { isStarlingError } from '../../src/errors.ts';

const mostTries = 3;

/**
 * Does something to a rollout once. When the answer is lost it is asked for again under the same
 * idempotency key, so that one `promote` opens one wave.
 * @throws as RolloutClient.act
 */
export async function actOnce(
  rollouts: Pick<RolloutClient, 'act'>,
  name: RolloutName,
  action: FleetRolloutAction,
  { signal, againMs = 500 }: { readonly signal?: AbortSignal; readonly againMs?: number },
): Promise<FleetRollout> {
  const options = { signal, idempotencyKey: randomUUID() };
  for (let tries = 1; ; tries++) {
    try {
      return await rollouts.act(name, action, options);
    } catch (error) {
      const isLost = isStarlingError(error) && error.code === 'TRACKER_UNREACHABLE';
      if (!isLost || tries === mostTries) throw error;
      await pause(againMs, undefined, { signal });
    }
  }
}
