import * as z from 'zod';
import { isPeerId, memberRoles } from '../../src/trust/sealed.ts';

/** What the store holds of who belongs to the fleet: keys and values. */

const peerId = z.string().refine(isPeerId, 'is not a peer id');
const labels = z.record(z.string().min(1).max(64), z.string().min(1).max(64));

/** What a member may be and do. */
export const grantSchema = z.strictObject({
  roles: z.array(z.enum(memberRoles)).min(1),
  /** Patterns of apps. */
  apps: z.array(z.string().min(1).max(100)).max(64),
  labels,
});
export type Grant = z.output<typeof grantSchema>;

export const memberSchema = z.strictObject({
  peerId,
  /** `pending`: it has asked, and nobody has approved it yet. */
  state: z.enum(['pending', 'member', 'revoked']),
  ...grantSchema.shape,
  roles: z.array(z.enum(memberRoles)),
  /** When it asked, was let in, or was revoked. */
  since: z.iso.datetime(),
  /** Who let it in or revoked it: an operator, or the token by which it came. */
  by: z.string().max(256),
  /** From where it asked. */
  remote: z.string().max(100),
});
export type Member = z.output<typeof memberSchema>;

export const tokenSchema = z.strictObject({
  ...grantSchema.shape,
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  by: z.string().max(256),
  /** Who has joined by it: it is of no use to anybody else. */
  usedBy: peerId.optional(),
});
export type Token = z.output<typeof tokenSchema>;

export const revocationsSchema = z.strictObject({
  number: z.int().nonnegative(),
  /** The signed list. */
  text: z.string(),
});

/** Where the control plane of each tracker is, by its peer id. */
export const trackerAddressesSchema = z.strictObject({
  addresses: z.array(z.string().min(1).max(300)).max(16),
});
export const trackerAddressPrefix = 'tracker-addresses/';

export const memberPrefix = 'members/';
export const memberKey = (id: string): string => `${memberPrefix}${id}`;
/** Who waits to be approved. Trackers of before kept those among the members; they are still read there. */
export const pendingPrefix = 'pending/';
export const pendingKey = (id: string): string => `${pendingPrefix}${id}`;
export const tokenPrefix = 'tokens/';
export const tokenKey = (id: string): string => `${tokenPrefix}${id}`;
export const revocationsKey = 'revocations/current';
