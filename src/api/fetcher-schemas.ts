import * as z from 'zod';

/** The fetcher's local interface, on a unix socket. Units last in names; sizes in bytes. */

/** Bytes per second; null: no limit. */
const rate = z.number().positive().nullable();
const rates = { uploadBytesPerSecond: rate, downloadBytesPerSecond: rate };
const priority = z.enum(['low', 'normal', 'high']);

/** How one swarm is held back, beside the limits of its host. */
const swarmLimits = z.object({ ...rates, priority });

const swarmStatus = z.object({
  imageId: z.string(),
  limits: swarmLimits,
  state: z.string(),
  reason: z.string().optional(),
  name: z.string().optional(),
  sizeBytes: z.number().optional(),
  pieces: z.number().optional(),
  verifiedPieces: z.number(),
  verifiedBytes: z.number(),
  reusedBytes: z.number(),
  receivedBytes: z.number(),
  sentBytes: z.number(),
  peers: z.number(),
  sources: z.array(z.object({ peer: z.string(), receivedBytes: z.number() })),
});

const generation = z.object({
  number: z.number(),
  imageId: z.string(),
  app: z.string(),
  channel: z.string(),
  release: z.number(),
  version: z.string(),
  createdAt: z.string(),
  state: z.enum(['created', 'healthy', 'failed']),
  reason: z.string().optional(),
  current: z.boolean(),
});

const fault = z.object({ code: z.string(), message: z.string() });

const channelStatus = z.object({
  app: z.string(),
  channel: z.string(),
  /** What is done for this channel at the moment. */
  state: z.enum([
    'following',
    'fetching',
    'activating',
    'waiting',
    'waiting-for-settings',
    'waiting-for-permit',
    'failed',
    'refused',
  ]),
  /** The newest release that was verified. */
  release: z.object({ number: z.number(), imageId: z.string(), version: z.string() }).optional(),
  /** Why it is waiting, failed or refused; what is wrong with each need that is not met. */
  fault: fault.extend({ needs: z.record(z.string(), z.string()).optional() }).optional(),
  activation: z.object({
    state: z.string(),
    generation: z.number().optional(),
    imageId: z.string().optional(),
    version: z.string().optional(),
    pid: z.number().optional(),
    restarts: z.number(),
    lastExit: z.string().optional(),
    healthy: z.boolean().optional(),
    since: z.string(),
  }),
});

export const fetcherStatusSchema = z.object({
  running: z.boolean(),
  pid: z.number().optional(),
  port: z.number().optional(),
  channels: z.array(channelStatus),
  swarms: z.array(swarmStatus),
});

export const generationsSchema = z.object({ generations: z.array(generation) });

export const rollbackRequestSchema = z.strictObject({
  app: z.string().max(100),
  channel: z.string().max(100),
  /** The generation to go back to; without it the healthy one before the current. */
  to: z.int().min(1).optional(),
});

export const rollbackSchema = z.object({ generation: generation.omit({ current: true }) });

/** `GET /v1/limits`, and the answer to changes: what holds now. */
export const limitsSchema = z.object({
  ...rates,
  swarms: z.array(swarmLimits.extend({ imageId: z.string(), name: z.string().optional() })),
});

/** Infinity has no JSON; a limit below is a slip of the unit, and would stop a fetch for minutes. */
const changedRate = z.number().min(1_000).nullable().optional();
const changedRates = { uploadBytesPerSecond: changedRate, downloadBytesPerSecond: changedRate };

/** `PATCH /v1/limits`. What is left out stays as it is. */
export const limitChangeSchema = z.strictObject(changedRates);

/** `PATCH /v1/swarms/:imageId/limits`. */
export const swarmLimitChangeSchema = z.strictObject({
  ...changedRates,
  priority: priority.optional(),
});

export const fetcherFaultSchema = z.object({ error: fault });

export type FetcherStatus = z.output<typeof fetcherStatusSchema>;
export type ChannelStatus = z.output<typeof channelStatus>;
export type Generations = z.output<typeof generationsSchema>;
export type RollbackRequest = z.output<typeof rollbackRequestSchema>;
export type Rollback = z.output<typeof rollbackSchema>;
export type Limits = z.output<typeof limitsSchema>;
export type LimitChangeRequest = z.output<typeof limitChangeSchema>;
export type SwarmLimitChangeRequest = z.output<typeof swarmLimitChangeSchema>;
