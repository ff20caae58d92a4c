import * as z from 'zod';
import { appNameSchema, memberGrantSchema, peerIdSchema } from './fleet-schemas.ts';
import { cursorSchema, pageQuerySchema } from './page-schemas.ts';

/** Rollouts, as the REST interface has them. What the words mean is in docs/rollouts.md. */

/** How many rollouts, or hosts of one, a page has at most. */
export const maxRolloutsPage = 500;
export const maxRolloutHostsPage = 1_000;

const count = z.int().min(0);
const counts = z.record(z.string(), count);
const time = z.iso.datetime();
const imageIdText = z.string().min(1).max(200);
const planText = z.string().min(1).max(4_096);
export const channelNameSchema = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/);

export const rolloutSchema = z
  .object({
    app: z.string(),
    channel: z.string(),
    /** The number of the release in its channel. */
    release: count,
    version: z.string(),
    imageId: z.string(),
    startedAt: time,
    phase: z.enum(['running', 'paused', 'done', 'goingBack', 'aborted']),
    /** Why it was stopped. */
    stopReason: z.string().optional(),
    /** A newer release of the channel, by its number, that has no plan: hosts take it without a permit. */
    supersededBy: count.optional(),
    goesBack: z.boolean(),
    /** The newest wave that is open, counted from 1, and how many there are. */
    wave: count,
    waves: count,
    waitsFor: z.string().optional(),
    /** How many hosts have been tried, may have been by now, and are meant in all. */
    tried: count,
    open: count,
    total: count,
    unavailable: count,
    limit: count,
    failures: count,
    /** How many hosts are in each phase, and stand where. */
    phases: counts,
    standings: counts,
  })
  .meta({ id: 'Rollout' });

export const rolloutsQuerySchema = pageQuerySchema({
  maxLimit: maxRolloutsPage,
  keyShape: /^[a-z0-9][a-z0-9._/-]{0,250}$/,
});

export const rolloutsSchema = z
  .object({ rollouts: z.array(rolloutSchema), next: cursorSchema.optional() })
  .meta({ id: 'Rollouts' });

export const rolloutHostsQuerySchema = pageQuerySchema({
  maxLimit: maxRolloutHostsPage,
  keyShape: /^[1-9A-HJ-NP-Za-km-z]{20,100}$/,
});

export const rolloutHostSchema = z
  .object({
    peerId: z.string(),
    labels: z.record(z.string(), z.string()),
    /** Where it stands to the rollout. */
    standing: z.string(),
    /** What is known of it in the rollout, once it was permitted. */
    phase: z.string().optional(),
    failure: z.string().optional(),
    pin: z.string().optional(),
    isHeld: z.boolean(),
    unreachableSince: time.optional(),
    /** What it runs, and how that is. */
    imageId: z.string().optional(),
    state: z.string().optional(),
    /** Which of the needs of the rollout's image are not met, and why it is not on its newest release. */
    unmet: z.array(z.string()).optional(),
    reason: z.string().optional(),
  })
  .meta({ id: 'RolloutHost' });

export const rolloutHostsSchema = z
  .object({ hosts: z.array(rolloutHostSchema), next: cursorSchema.optional() })
  .meta({ id: 'RolloutHosts' });

/** What an operator does to a rollout. */
export const rolloutActionSchema = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.enum(['pause', 'resume']) }),
    /** `goBack` says, instead of the plan, whether who had moved is sent back. */
    z.strictObject({ type: z.literal('abort'), goBack: z.boolean().optional() }),
    z.strictObject({ type: z.literal('promote'), waves: z.enum(['next', 'all']) }),
    z.strictObject({
      type: z.literal('retry'),
      hosts: z.array(peerIdSchema).min(1).max(10_000).optional(),
    }),
  ])
  .meta({ id: 'RolloutAction' });

export const rolloutPreviewRequestSchema = z
  .strictObject({
    app: appNameSchema,
    channel: channelNameSchema,
    plan: planText,
    /** Of what would be released: hosts that have it need not move. */
    imageId: imageIdText.optional(),
  })
  .meta({ id: 'RolloutPreviewRequest' });

export const rolloutPreviewSchema = z
  .object({
    /** How many hosts will have been tried in all when each wave is done. */
    sizes: z.array(count),
    total: count,
    /** The first of them, in the order in which they are tried; waves count from 1. */
    hosts: z
      .array(z.object({ peerId: z.string(), standing: z.string(), wave: count.optional() }))
      .max(maxRolloutHostsPage),
  })
  .meta({ id: 'RolloutPreview' });

/** An id of the form that images have: a rollout waits for ever for a host that is pinned to what is none. */
const pinnedIdSchema = z.string().regex(/^b[a-z2-7]{58}$/, 'is not an image id (baf5rei…)');

/** That a host stays as it is: what is not said stays as it was. */
export const pinChangeSchema = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.enum(['hold', 'release']) }),
    z.strictObject({ type: z.literal('pin'), app: appNameSchema, imageId: pinnedIdSchema }),
    z.strictObject({ type: z.literal('unpin'), app: appNameSchema }),
  ])
  .meta({ id: 'PinChange' });

export const hostPinsSchema = z
  .object({
    isHeld: z.boolean(),
    /** The image that each app stays on. */
    pins: z.record(z.string(), z.string()),
  })
  .meta({ id: 'HostPins' });

export const imageIdSchema = z.string().regex(/^[a-z2-7]{10,200}$/, 'is not an image id');

/** An image that hosts fetch before it is released. */
export const preheatRequestSchema = z
  .strictObject({
    app: appNameSchema,
    imageId: imageIdSchema,
    /** All of them must be the host's; none: all hosts that may have the app. */
    labels: memberGrantSchema.shape.labels,
  })
  .meta({ id: 'PreheatRequest' });

export const preheatSchema = z
  .object({
    app: z.string(),
    imageId: z.string(),
    labels: z.record(z.string(), z.string()),
    startedAt: time,
    by: z.string(),
    /** How many hosts are meant, have it, and are unreachable without it. */
    hosts: count,
    complete: count,
    unreachable: count,
  })
  .meta({ id: 'Preheat' });

export const preheatsSchema = z.object({ preheats: z.array(preheatSchema) });

export type PreheatRequest = z.output<typeof preheatRequestSchema>;
export type FleetPreheat = z.output<typeof preheatSchema>;
export type FleetRollout = z.output<typeof rolloutSchema>;
export type FleetRollouts = z.output<typeof rolloutsSchema>;
export type FleetRolloutHost = z.output<typeof rolloutHostSchema>;
export type FleetRolloutHosts = z.output<typeof rolloutHostsSchema>;
export type FleetRolloutAction = z.output<typeof rolloutActionSchema>;
export type RolloutPreviewRequest = z.output<typeof rolloutPreviewRequestSchema>;
export type FleetRolloutPreview = z.output<typeof rolloutPreviewSchema>;
export type FleetPinChange = z.output<typeof pinChangeSchema>;
export type FleetHostPins = z.output<typeof hostPinsSchema>;
