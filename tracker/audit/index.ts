/**
 * Who did what to the fleet, when: entries that are committed with what they tell of, each chained to the
 * one before. It keeps no secret, and does not judge.
 */
export type { AuditEntry, AuditHead, AuditRecord } from './audit-entry.ts';
export {
  AuditLog,
  defaultAuditLogInit,
  type AuditLogComponents,
  type AuditLogInit,
} from './audit-log.ts';
export { listAudit, readHead, verifyAudit, type VerifyOptions } from './verify-audit.ts';
