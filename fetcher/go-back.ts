import { ActivationError } from '../src/errors.ts';
import type { Generation } from './generation-record.ts';

/**
 * The generation to go back to from one: the nearest healthy one of another image among those that
 * were current before it, else the one with the highest number below. An image that was activated
 * twice in a row is left as a whole.
 * @param usable the generations whose tree is still there
 */
export function generationBefore(
  from: Generation,
  usable: readonly Generation[],
): Generation | undefined {
  const isOther = ({ state, imageId }: Generation): boolean =>
    state === 'healthy' && imageId !== from.imageId;
  const byNumber = new Map(usable.map((generation) => [generation.number, generation]));
  let before = from.before;
  // Each one was made after the one before it, so numbers that do not fall are not followed.
  for (let last = from.number; before !== undefined && before < last;) {
    const generation = byNumber.get(before);
    if (generation && isOther(generation)) return generation;
    last = before;
    before = generation?.before;
  }
  return usable
    .filter((generation) => isOther(generation) && generation.number < from.number)
    .sort((a, b) => b.number - a.number)[0];
}

/**
 * The generation that an operator or a rollout sends a channel back to.
 * @param usable the generations whose tree is still there
 * @throws ActivationError ACTIVATION_NO_GENERATION when there is none, or `to` is not a healthy one
 */
export function rollbackTarget(
  usable: readonly Generation[],
  from: {
    readonly app: string;
    readonly channel: string;
    readonly current: Generation | undefined;
    readonly to: number | undefined;
  },
): Generation {
  const { current, to } = from;
  const healthy = usable.filter((generation) => generation.state === 'healthy');
  const has = healthy.map(({ number }) => number).join(', ') || 'none';
  if (to !== undefined) {
    const target = healthy.find((generation) => generation.number === to);
    if (target) return target;
    throw noGeneration(from, `generation ${to} is not a healthy one here (healthy: ${has})`);
  }
  const target = current ? generationBefore(current, usable) : healthy.at(-1);
  if (target) return target;
  const before = current?.number ?? 'nothing';
  throw noGeneration(from, `there is no healthy generation before ${before} (healthy: ${has})`);
}

export function noGeneration(
  { app, channel }: { readonly app: string; readonly channel: string },
  why: string,
): ActivationError {
  return new ActivationError(
    'ACTIVATION_NO_GENERATION',
    `${app}/${channel} can't go back: ${why}. List the generations and name one that is healthy.`,
    { evidence: { app, channel } },
  );
}

/**
 * The generations that may be removed: all but the newest ones, the current one and the one to go
 * back to from it.
 */
export function prunable(
  generations: readonly Generation[],
  current: Generation | undefined,
  keep: number,
): Generation[] {
  const newest = [...generations].sort((a, b) => b.number - a.number).slice(0, Math.max(0, keep));
  const kept = new Set(newest.map((generation) => generation.number));
  if (current) {
    kept.add(current.number);
    const before = generationBefore(current, generations);
    if (before) kept.add(before.number);
  }
  return generations.filter((generation) => !kept.has(generation.number));
}
