import type { LimitChangeRequest } from '../src/api/index.ts';
import type { LimitChange, RateLimits } from '../src/swarm/index.ts';

/** No limit is Infinity to the exchange, and null in JSON, which has no Infinity. */
type Told<Limits extends RateLimits> = Omit<Limits, keyof RateLimits> & {
  uploadBytesPerSecond: number | null;
  downloadBytesPerSecond: number | null;
};

const told = (rate: number): number | null => (rate === Infinity ? null : rate);

/** Limits as the local interface tells them. */
export const limitsToTell = <Limits extends RateLimits>(limits: Limits): Told<Limits> => ({
  ...limits,
  uploadBytesPerSecond: told(limits.uploadBytesPerSecond),
  downloadBytesPerSecond: told(limits.downloadBytesPerSecond),
});

const toSet = (rate: number | null | undefined): number | undefined =>
  rate === null ? Infinity : rate;

/** A change of limits as the exchange takes it. */
export const limitsToSet = (change: LimitChangeRequest): LimitChange<RateLimits> => ({
  uploadBytesPerSecond: toSet(change.uploadBytesPerSecond),
  downloadBytesPerSecond: toSet(change.downloadBytesPerSecond),
});
