import { createHash } from 'node:crypto';
import { canonicalize } from '@tufjs/canonical-json';
import * as z from 'zod';

const detailValue = z.union([
  z.string().max(1_024),
  z.number(),
  z.boolean(),
  z.null(),
  z.array(z.string().max(256)).max(100),
]);

const recordShape = {
  /** Who: a peer id, an operator's name, `tracker`, or the address of who is not known. */
  actor: z.string().min(1).max(256),
  /** What, such as `member.revoke`. */
  action: z.string().min(1).max(64),
  /** To what. */
  subject: z.string().max(512),
  outcome: z.enum(['done', 'refused']),
  detail: z
    .record(z.string().max(64), detailValue)
    .refine((detail) => Object.keys(detail).length <= 32, 'more than 32 details')
    .optional(),
};

/** What the audit log is told. */
export const auditRecordSchema = z.strictObject(recordShape);
export type AuditRecord = z.output<typeof auditRecordSchema>;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const sequence = z.int().min(1).max(9_999_999_999_999);

const entrySchema = z.strictObject({
  ...recordShape,
  sequence,
  /** By the clock of the tracker that wrote it. */
  at: z.iso.datetime(),
  /** The hash of the entry before; of the first one, zeros. */
  previous: sha256,
  hash: sha256,
});
export type AuditEntry = z.output<typeof entrySchema>;

const headSchema = z.strictObject({ sequence, hash: sha256 });
/** The last entry, by its number and its hash: it stands for all entries before it. */
export type AuditHead = z.output<typeof headSchema>;

export const auditPrefix = 'audit/';
export const auditHeadKey = 'audit-head';
export const firstPrevious = '0'.repeat(64);

export const auditKey = (number: number): string =>
  `${auditPrefix}${String(number).padStart(16, '0')}`;

/** The entry that follows `head`; undefined: the first one. */
export function nextEntry(head: AuditHead | undefined, record: AuditRecord, now: Date): AuditEntry {
  const unsealed = {
    ...record,
    sequence: (head?.sequence ?? 0) + 1,
    at: now.toISOString(),
    previous: head?.hash ?? firstPrevious,
  };
  return { ...unsealed, hash: hashOf(unsealed) };
}

/** SHA-256 over the canonical JSON of an entry without its own hash. */
export function hashOf({ ...entry }: Omit<AuditEntry, 'hash'> & { hash?: string }): string {
  delete entry.hash;
  return createHash('sha256').update(canonicalize(entry)).digest('hex');
}

/** @returns undefined when this is no entry */
export const parseEntry = (text: string): AuditEntry | undefined => parse(entrySchema, text);

/** @returns undefined when this is no head */
export const parseHead = (text: string): AuditHead | undefined => parse(headSchema, text);

function parse<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    const result = schema.safeParse(JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}
