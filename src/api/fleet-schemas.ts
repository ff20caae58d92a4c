import * as z from 'zod';
import { isAppPattern, isPeerId, memberRoles } from '../trust/sealed.ts';
import { cursorSchema, pageQuerySchema } from './page-schemas.ts';

/** Who belongs to the fleet, and what its apps are told at run time, as the REST interface has it. */

/** How many members, or entries of the audit log, a page has at most. */
export const maxMembersPage = 500;
export const maxAuditPage = 500;
/** Tokens are for the next days, not for good. */
export const maxTokenTtlMs = 30 * 86_400_000;

export const maxOperatorTtlMs = 10 * 366 * 86_400_000;

const time = z.iso.datetime();

export const peerIdSchema = z
  .string()
  .max(100)
  .refine(isPeerId, 'is not a peer id (12D3Koo…)')
  .meta({ description: 'A libp2p peer id of an ed25519 key.' });

const grant = {
  roles: z.array(z.enum(memberRoles)).min(1).max(3),
  /** Patterns of the apps that it may fetch. */
  apps: z.array(z.string().max(100).refine(isAppPattern, "is not an app, 'team-*' or '*'")).max(64),
  labels: z
    .record(z.string().regex(/^[a-z][a-z0-9._-]{0,63}$/), z.string().regex(/^[\w.-]{1,64}$/))
    .refine((labels) => Object.keys(labels).length <= 32, 'are more than 32'),
};

export const memberGrantSchema = z.strictObject(grant).meta({ id: 'MemberGrant' });

export const fleetMemberSchema = z
  .object({
    peerId: peerIdSchema,
    state: z.enum(['pending', 'member', 'revoked']),
    ...grant,
    roles: z.array(z.enum(memberRoles)),
    since: time,
    by: z.string(),
    remote: z.string(),
    /** Whether it has a session with the tracker that answers. */
    connected: z.boolean(),
  })
  .meta({ id: 'FleetMember' });

export const membersQuerySchema = pageQuerySchema({
  maxLimit: maxMembersPage,
  keyShape: /^[1-9A-HJ-NP-Za-km-z]{20,100}$/,
});

export const fleetMembersSchema = z
  .object({ members: z.array(fleetMemberSchema), next: cursorSchema.optional() })
  .meta({ id: 'FleetMembers' });

export const tokenRequestSchema = z
  .strictObject({ ...grant, ttlMs: z.int().min(1_000).max(maxTokenTtlMs) })
  .meta({ id: 'JoinTokenRequest' });

export const joinTokenSchema = z
  .object({
    id: z.string(),
    ...grant,
    createdAt: time,
    expiresAt: time,
    by: z.string(),
    usedBy: peerIdSchema.optional(),
  })
  .meta({ id: 'JoinToken' });

export const createdTokenSchema = joinTokenSchema
  .extend({
    /** What the host is given; it is told this once. */
    token: z.string(),
  })
  .meta({ id: 'CreatedJoinToken' });

export const joinTokensSchema = z.object({ tokens: z.array(joinTokenSchema) });

export const invitationSchema = z
  .object({
    fleetId: peerIdSchema,
    /** By it any host may ask to belong; it is no secret, and waits for an operator. */
    invitation: z.string(),
  })
  .meta({ id: 'Invitation' });

export const revokedSchema = z.object({
  /** The number of the revocation list that names it. */
  number: z.int(),
});

export const operatorNameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/)
  .meta({ description: 'The name of an operator, for the log.' });

export const operatorRequestSchema = z
  .strictObject({
    name: operatorNameSchema,
    /** After so long its token is good no more; without it, until it is revoked. */
    ttlMs: z.int().min(1_000).max(maxOperatorTtlMs).optional(),
  })
  .meta({ id: 'OperatorRequest' });

export const operatorSchema = z
  .object({
    name: z.string(),
    createdAt: time,
    expiresAt: time.optional(),
    /** Who made it. */
    by: z.string(),
  })
  .meta({ id: 'Operator' });

export const createdOperatorSchema = operatorSchema
  .extend({
    /** Its bearer token; it is told this once. */
    token: z.string(),
  })
  .meta({ id: 'CreatedOperator' });

export const operatorsSchema = z.object({ operators: z.array(operatorSchema) });

/** A name as an image's `needs` has it. */
export const settingNameSchema = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/);
export const appNameSchema = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/);
export const zoneSchema = z.string().regex(/^[\w.-]{1,64}$/);

export const settingValueSchema = z.strictObject({
  value: z.union([z.string(), z.number(), z.boolean()]).transform(String),
});

export const settingChangedSchema = z.object({
  /** The app's revision from this change on. */
  revision: z.int(),
});

/** What an app is told, by NAME or NAME@ZONE. */
export const appSettingsOfFleetSchema = z.object({
  revision: z.int(),
  values: z.record(z.string(), z.string()),
});

export const auditQuerySchema = pageQuerySchema({ maxLimit: maxAuditPage, keyShape: /^\d{1,16}$/ });

export const auditEntriesSchema = z
  .object({
    entries: z.array(
      z.object({
        sequence: z.int(),
        at: time,
        actor: z.string(),
        action: z.string(),
        subject: z.string(),
        outcome: z.enum(['done', 'refused']),
        detail: z.record(z.string(), z.json()).optional(),
        previous: z.string(),
        hash: z.string(),
      }),
    ),
    next: cursorSchema.optional(),
  })
  .meta({ id: 'AuditEntries' });

export type Invitation = z.output<typeof invitationSchema>;
export type MemberGrant = z.output<typeof memberGrantSchema>;
export type FleetMember = z.output<typeof fleetMemberSchema>;
export type FleetMembers = z.output<typeof fleetMembersSchema>;
export type TokenRequest = z.output<typeof tokenRequestSchema>;
export type FleetJoinToken = z.output<typeof joinTokenSchema>;
export type CreatedJoinToken = z.output<typeof createdTokenSchema>;
export type OperatorRequest = z.output<typeof operatorRequestSchema>;
export type FleetOperator = z.output<typeof operatorSchema>;
export type CreatedOperator = z.output<typeof createdOperatorSchema>;
export type AppSettingsOfFleet = z.output<typeof appSettingsOfFleetSchema>;
export type AuditEntries = z.output<typeof auditEntriesSchema>;
