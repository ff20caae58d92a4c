import * as z from 'zod';
import { fleetProgressSchema, swarmHostSchema } from './progress-schemas.ts';

/**
 * The shapes of the tracker's REST interface. Requests are strict: what is not known is refused.
 * Answers are read leniently, so that an older client understands a newer tracker.
 */

/** How large the three metadata files of one release may be together, as a request body. */
export const maxReleaseBytes = 32 * 1024 * 1024;

/** How many swarms, or peers of one swarm, one answer lists at most; `total` says how many there are. */
export const maxListed = 10_000;

const count = z.int().min(0);
const metadataText = z.string().min(1).max(maxReleaseBytes);

const releaseFiles = {
  targets: metadataText.optional(),
  snapshot: metadataText.optional(),
  timestamp: metadataText.optional(),
  /** Files of delegated apps, by app. */
  delegated: z.record(z.string().min(1).max(100), metadataText).optional(),
};

/** What key holders pass on among themselves until enough of them have signed. */
export const partlySignedSchema = z.strictObject({
  root: metadataText.optional(),
  ...releaseFiles,
});

/**
 * `PUT /v1/releases`: the signed metadata of a release, each file as its exact text. All three
 * top-level files, or what is new and names images: then the tracker's own key signs the rest.
 */
export const releasePushSchema = z
  .strictObject(releaseFiles)
  .refine(
    ({ targets, snapshot, timestamp }) =>
      (snapshot === undefined) === (timestamp === undefined) &&
      (snapshot === undefined || targets !== undefined),
    { message: 'snapshot and timestamp come with all of targets, snapshot and timestamp' },
  )
  .refine(
    ({ targets, delegated }) => targets !== undefined || Object.keys(delegated ?? {}).length > 0,
    { message: 'has neither targets nor a delegated file' },
  )
  .meta({ id: 'ReleasePush' });

/** `PUT /v1/root`: the next root, as its exact text, and what its keys have signed anew. */
export const rootPushSchema = z
  .strictObject({
    root: z
      .string()
      .min(1)
      .max(256 * 1024),
    update: releasePushSchema.optional(),
  })
  .meta({ id: 'RootPush' });

export const rootPushedSchema = z.object({ rootVersion: count }).meta({ id: 'RootPushed' });

/** What the tracker now serves, answered when all of it is on disk. */
export const releasePushedSchema = z
  .object({
    timestampVersion: count,
    snapshotVersion: count,
    targetsVersion: count,
    releases: count,
  })
  .meta({ id: 'ReleasePushed' });

export const releaseSchema = z
  .object({
    app: z.string().max(200),
    channel: z.string().max(200),
    imageId: z.string().max(200),
    /** The v2 info-hash in hexadecimal; it is the target's hash. */
    infoHash: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits'),
    /** The length of the info dictionary, not of the image. */
    infoBytes: count,
    release: count,
    version: z.string().max(200),
    /** The plan by which hosts activate it; without one each does at once. */
    rollout: z.string().max(4_096).optional(),
    /** What the image needs when it runs, by name, and of what type. */
    needs: z.record(z.string().max(64), z.string().max(32)).optional(),
  })
  .meta({ id: 'Release' });

/** `GET /v1/releases`: which image each channel names. */
export const releasesSchema = z
  .object({
    targetsVersion: count,
    releases: z.array(releaseSchema).max(1_000_000),
  })
  .meta({ id: 'Releases' });

/** An info-hash as announces have it: 20 bytes, for v2 the first 20 of 32 (BEP 52). */
const shortInfoHash = z.string().regex(/^[0-9a-f]{40}$/, '40 hexadecimal digits');

export const swarmSummarySchema = z
  .object({
    infoHash: shortInfoHash,
    seeds: count,
    downloaders: count,
    /** How many announced that they have just become complete, since the swarm began. */
    completed: count,
  })
  .meta({ id: 'SwarmSummary' });

/** `GET /v1/swarms`. */
export const swarmsSchema = z
  .object({
    total: count,
    swarms: z.array(swarmSummarySchema).max(maxListed),
  })
  .meta({ id: 'Swarms' });

export const swarmPeerSchema = z
  .object({
    address: z.string().max(64),
    port: z.int().min(1).max(65_535),
    /** 20 bytes in hexadecimal. */
    peerId: z.string().regex(/^[0-9a-f]{40}$/, '40 hexadecimal digits'),
    role: z.enum(['seed', 'downloader']),
    /** Peers are told only of those of the same transport. */
    transport: z.enum(['sealed', 'plain']),
    leftBytes: count,
    /** How long ago it announced itself last. */
    lastSeenAgoMs: count,
  })
  .meta({ id: 'SwarmPeer' });

/** A swarm, and how far the hosts of the fleet in it are. */
export const swarmProgressSchema = swarmSummarySchema
  .extend({ progress: fleetProgressSchema })
  .meta({ id: 'SwarmProgress' });

/** What `GET /v1/swarms/:infoHash/events` tells. */
export const swarmEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('summary'), data: swarmProgressSchema }),
  /** A host came, or its state or its pieces changed. */
  z.object({ event: z.literal('host'), data: swarmHostSchema }),
  /** A host left, or was silent for too long. */
  z.object({ event: z.literal('gone'), data: swarmHostSchema.pick({ address: true, port: true }) }),
  /** Nobody is in the swarm any more; nothing follows. */
  z.object({ event: z.literal('end'), data: z.object({ infoHash: shortInfoHash }) }),
]);

/** `GET /v1/swarms/:infoHash`. */
export const swarmSchema = swarmProgressSchema
  .extend({
    total: count,
    peers: z.array(swarmPeerSchema).max(maxListed),
  })
  .meta({ id: 'Swarm' });

/** `GET /healthz` and `GET /readyz`. */
export const healthSchema = z.object({ status: z.string().max(100) });

/** A refusal or failure, as RFC 9457 (`application/problem+json`) has it. */
export const problemSchema = z
  .object({
    type: z.string().max(2_000),
    title: z.string().max(1_000),
    status: z.int().min(100).max(599),
    detail: z.string().max(100_000),
    /** Stable; scripts may rely on it. */
    code: z.string().max(100),
  })
  .meta({ id: 'Problem' });

export type ReleasePush = z.output<typeof releasePushSchema>;
export type ReleasePushed = z.output<typeof releasePushedSchema>;
export type RootPush = z.output<typeof rootPushSchema>;
export type RootPushed = z.output<typeof rootPushedSchema>;
export type Release = z.output<typeof releaseSchema>;
export type Releases = z.output<typeof releasesSchema>;
export type SwarmSummary = z.output<typeof swarmSummarySchema>;
export type Swarms = z.output<typeof swarmsSchema>;
export type SwarmPeer = z.output<typeof swarmPeerSchema>;
export type SwarmProgressSummary = z.output<typeof swarmProgressSchema>;
export type SwarmEvent = z.output<typeof swarmEventSchema>;
export type Swarm = z.output<typeof swarmSchema>;
export type Health = z.output<typeof healthSchema>;
export type Problem = z.output<typeof problemSchema>;
