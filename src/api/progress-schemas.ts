import * as z from 'zod';
import { cursorSchema, pageQuerySchema } from './page-schemas.ts';

/** How far the hosts of a fleet are with an image, as they told the tracker. */

/** How many hosts a page of `GET /v1/swarms/:infoHash/hosts` has at most. */
export const maxHostsPage = 1_000;

const count = z.int().min(0);
const bytesPerSecond = z.number().min(0);

/** Payload by where it came from: hosts of the rack, the zone, other zones, the origin, the own disk. */
const sources = z.object({ rack: count, zone: count, fleet: count, origin: count, reused: count });

/** All hosts of the fleet in a swarm together. */
export const fleetProgressSchema = z
  .object({
    hosts: count,
    /** Hosts by their state; states beyond the first few that differ are `other`. */
    states: z.record(z.string().max(32), count),
    /** The verified part of what all hosts are to have, from 0 to 1. */
    verifiedShare: z.number().min(0).max(1),
    /** Of those that are not whole yet. */
    receivedBytesPerSecond: bytesPerSecond,
    sources,
  })
  .meta({ id: 'FleetProgress' });

export const swarmHostSchema = z
  .object({
    /** What its operator calls it, where that was said. */
    host: z.string().max(64).optional(),
    /** With the port it tells a host from all others of the swarm. */
    address: z.string().max(64),
    port: z.int().min(1).max(65_535),
    zone: z.string().max(64),
    rack: z.string().max(64),
    role: z.enum(['seed', 'downloader']),
    /** `unknown` where it tells of no progress. */
    state: z.string().max(32),
    /** 0 while it does not know how many there are. */
    pieces: count,
    verifiedPieces: count,
    receivedBytesPerSecond: bytesPerSecond,
    sources,
    /** How long ago it announced itself last. */
    lastSeenAgoMs: count,
  })
  .meta({ id: 'SwarmHost' });

/** The query of `GET /v1/swarms/:infoHash/hosts`; a page ends with the number of an arrival. */
export const hostsQuerySchema = pageQuerySchema({
  maxLimit: maxHostsPage,
  keyShape: /^\d{1,15}$/,
});

/** A page of hosts, those first that came first. `next` is the cursor of the page after it, if any. */
export const swarmHostsSchema = z
  .object({
    hosts: z.array(swarmHostSchema).max(maxHostsPage),
    next: cursorSchema.optional(),
  })
  .meta({ id: 'SwarmHosts' });

export type FleetProgress = z.output<typeof fleetProgressSchema>;
export type SwarmHost = z.output<typeof swarmHostSchema>;
export type SwarmHosts = z.output<typeof swarmHostsSchema>;
