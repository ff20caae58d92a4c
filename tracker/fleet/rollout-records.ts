import * as z from 'zod';
import type {
  HostEntry,
  HostPhase,
  RolloutPlan,
  RolloutState,
  Failure,
} from '../../src/policy/index.ts';

/**
 * What the store holds of rollouts. A channel has one record, which every change writes: so whoever
 * expects its revision changes all of it or nothing. The entries of hosts lie in parts beside it.
 */

const count = z.int().nonnegative();
const name = z.string().min(1).max(100);
const amount = z.union([z.strictObject({ count }), z.strictObject({ percent: z.number() })]);

const planSchema = z.strictObject({
  waves: z.array(amount).readonly(),
  maxUnavailable: amount,
  gateMs: count,
  deadlineMs: count,
  abortOn: amount,
  goBackOnAbort: z.boolean(),
  windows: z
    .array(
      z.strictObject({
        hosts: z.array(z.string()).readonly().optional(),
        labels: z.record(z.string(), z.string()).optional(),
        intervals: z.array(z.strictObject({ fromMinute: count, toMinute: count })).readonly(),
      }),
    )
    .readonly(),
}) satisfies z.ZodType<RolloutPlan>;

const time = z.number();

/** A rollout without its hosts. */
const rolloutSchema = z.strictObject({
  state: z.strictObject({
    id: z.string().max(300),
    release: z.string().max(200),
    plan: planSchema,
    phase: z.enum(['running', 'paused', 'done', 'goingBack', 'aborted']),
    stopReason: z.enum(['failures', 'deadline', 'operator', 'superseded']).optional(),
    epoch: count,
    wave: count,
    waveSinceMs: time,
    isWaveFull: z.boolean(),
    healthySinceMs: time.optional(),
    stalledSinceMs: time.optional(),
    goesBack: z.boolean(),
  }) satisfies z.ZodType<Omit<RolloutState, 'hosts'>>,
  /** Of the channel. */
  number: count,
  version: z.string().max(100),
  startedAt: z.iso.datetime(),
});

export const channelRecordSchema = z.strictObject({
  app: name,
  channel: name,
  rollout: rolloutSchema,
  /** Those before it of which some hosts have not answered yet; oldest first. */
  earlier: z.array(rolloutSchema).max(100),
});
export type ChannelRecord = z.output<typeof channelRecordSchema>;

const phases = [
  'waiting',
  'permitted',
  'recalled',
  'activating',
  'healthy',
  'failed',
  'goingBack',
  'back',
] as const satisfies readonly HostPhase[];
const failures = [
  'failed',
  'wentBack',
  'late',
  'lost',
  'stays',
] as const satisfies readonly Failure[];

/** [phase, epoch, permit, sinceMs, number, failure, isFirst]: a large fleet has many of them. */
const entrySchema = z.tuple([
  z.enum(phases),
  count,
  count,
  time,
  count,
  z.enum(failures).nullable(),
  z.boolean(),
]);

export const partSchema = z.record(z.string().max(100), entrySchema);
export type EntryRow = z.output<typeof entrySchema>;

export const rowOf = (entry: HostEntry): EntryRow => [
  entry.phase,
  entry.epoch,
  entry.permit,
  entry.sinceMs,
  entry.number,
  entry.failure ?? null,
  entry.isFirst === true,
];

export const entryOf = ([phase, epoch, permit, sinceMs, number, failure, isFirst]: EntryRow) => ({
  phase,
  epoch,
  permit,
  sinceMs,
  number,
  ...(failure === null ? {} : { failure }),
  ...(isFirst ? { isFirst } : {}),
});

export const rolloutPrefix = 'rollouts/';
export const channelKey = (app: string, channel: string): string =>
  `${rolloutPrefix}${app}/${channel}`;
export const partKey = (channel: string, rollout: number, part: number): string =>
  `${channel}/${rollout}/${String(part).padStart(5, '0')}`;

/** What a key below `rollouts/` is about. */
export function parseRolloutKey(
  key: string,
): { channel: string; part?: { rollout: number; part: number } } | undefined {
  const [, channel, rollout, part] =
    /^(rollouts\/[^/]+\/[^/]+)(?:\/(\d+)\/(\d+))?$/.exec(key) ?? [];
  if (channel === undefined) return undefined;
  if (rollout === undefined) return { channel };
  return { channel, part: { rollout: Number(rollout), part: Number(part) } };
}
