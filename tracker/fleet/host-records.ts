import * as z from 'zod';
import { channelReportSchema } from '../../src/control/index.ts';

/** What the store holds of hosts as trackers hear them, so that each tracker knows all of them. */

const name = z.string().min(1).max(100);

/** A newer tracker may say more. */
export const hostRecordSchema = z.object({
  /** The tracker that has, or had, a session with it: another one after each start. */
  tracker: z.string().min(1).max(100),
  isHere: z.boolean(),
  /** Since when it is here, or is not, in milliseconds since 1970. */
  sinceMs: z.number(),
  follows: z.array(z.object({ app: name, channel: name })),
  /** What it reported last of each channel. */
  channels: z.array(channelReportSchema),
});
export type HostRecord = z.output<typeof hostRecordSchema>;

export const hostPrefix = 'hosts/';
export const hostKey = (peerId: string): string => `${hostPrefix}${peerId}`;

/** A tracker that lives says so: its value changes all the time. */
export const trackerPrefix = 'trackers/';
export const trackerKey = (id: string): string => `${trackerPrefix}${id}`;
