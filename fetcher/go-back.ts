import type { Generation } from './generation-record.ts';

/**
 * The generation to go back to from one: the nearest healthy one among those that were current
 * before it, else the healthy one with the highest number below.
 * @param usable the generations whose tree is still there
 */
export function generationBefore(
  from: Generation,
  usable: readonly Generation[],
): Generation | undefined {
  const byNumber = new Map(usable.map((generation) => [generation.number, generation]));
  let before = from.before;
  // Each one was made after the one before it, so numbers that do not fall are not followed.
  for (let last = from.number; before !== undefined && before < last;) {
    const generation = byNumber.get(before);
    if (generation?.state === 'healthy') return generation;
    last = before;
    before = generation?.before;
  }
  return usable
    .filter((generation) => generation.state === 'healthy' && generation.number < from.number)
    .sort((a, b) => b.number - a.number)[0];
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
