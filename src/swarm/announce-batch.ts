import * as z from 'zod';
import { TrackerError } from '../errors.ts';
import type { OriginReply } from './announce.ts';

/**
 * `POST /announces`: what a host of a fleet says to a tracker of ours, of all its swarms at once and
 * on one connection that is kept. Every other client announces as BEP 3 or BEP 15 say.
 */
export const announcesPath = '/announces';
export const maxSwarmsPerBatch = 500;

const label = z
  .string()
  .max(64)
  .regex(/^[\w.-]*$/, 'letters, digits, . _ and - only');
const bytes = z.int().min(0);
/** 20 bytes, as hexadecimal. */
const hash = z.string().regex(/^[0-9a-f]{40}$/);

const originClaim = z.strictObject({ wanted: z.boolean(), sizeBytes: bytes, takenBytes: bytes });

/** How far a host is with an image, for who looks at a rollout. */
const progress = z.strictObject({
  state: z.string().max(32),
  pieces: z.int().min(0),
  verifiedPieces: z.int().min(0),
  receivedBytesPerSecond: z.number().min(0),
  /** Payload by where it came from: hosts of the rack, the zone, other zones, the origin, this disk. */
  sources: z.strictObject({ rack: bytes, zone: bytes, fleet: bytes, origin: bytes, reused: bytes }),
});

/** So many are named beside the ties of a host, at the most. */
export const maxSpares = 8;

const swarmClaim = z.strictObject({
  /** For v2 the first 20 bytes of the info-hash (BEP 52). */
  infoHash: hash,
  leftBytes: bytes,
  event: z.enum(['started', 'completed', 'stopped']).optional(),
  /** So many of its ties can't be reached, and have no spare: others would help. */
  missing: z.int().min(0).max(maxSpares).optional(),
  origin: originClaim.optional(),
  progress: progress.optional(),
});

export const announceBatchSchema = z.strictObject({
  /** 20 bytes. */
  peerId: hash,
  port: z.int().min(1).max(65_535),
  /** Whether that port is for members of the fleet only. */
  sealed: z.boolean(),
  /** What its operator calls it. */
  host: label.optional(),
  zone: label,
  rack: label,
  swarms: z.array(swarmClaim).min(1).max(maxSwarmsPerBatch),
});

const origin = z.union([
  z.strictObject({
    slot: z.int().min(0),
    slots: z.array(z.int().min(0)).max(1_000),
    bytes,
    expiresInMs: z.number().min(0),
  }),
  z.strictObject({ waitMs: z.number().min(0) }),
]);

/** After so long it is announced again. */
const intervalMs = z.number().min(100).max(86_400_000);

const slot = z.int().min(0).max(1_000).nullable();

const namedPeer = z.object({
  host: z.string().max(45),
  port: z.int().min(1).max(65_535),
  isWhole: z.boolean(),
});

const swarmAnswer = z.object({
  infoHash: hash,
  seeds: z.int().min(0),
  downloaders: z.int().min(0),
  /** Where it may be announced later than the others. */
  intervalMs: intervalMs.optional(),
  peers: z.array(namedPeer).max(1_000),
  /** Who can stand in for ties that are missing. */
  spares: z.array(namedPeer).max(maxSpares).optional(),
  /** What the host stands for: as a gateway of its rack, and of its zone. */
  slots: z.tuple([slot, slot]),
  origin: origin.optional(),
});

export const announceAnswerSchema = z.object({
  intervalMs,
  swarms: z.array(
    z.union([swarmAnswer, z.object({ infoHash: hash, refused: z.string().max(500) })]),
  ),
});

export type AnnounceBatch = z.output<typeof announceBatchSchema>;
export type SwarmClaim = AnnounceBatch['swarms'][number];
export type SwarmProgress = z.output<typeof progress>;
export type AnnounceBatchAnswer = z.output<typeof announceAnswerSchema>;
export type SwarmAnswer = z.output<typeof swarmAnswer> & {
  readonly origin?: OriginReply | undefined;
};

/** @throws TrackerError TRACKER_FAILED when it is not what a tracker of ours answers */
export function parseAnnounceAnswer(tracker: string, text: string): AnnounceBatchAnswer {
  try {
    return announceAnswerSchema.parse(JSON.parse(text));
  } catch (cause) {
    const what = `${tracker} did not answer like a tracker`;
    throw new TrackerError('TRACKER_FAILED', what, { cause });
  }
}
