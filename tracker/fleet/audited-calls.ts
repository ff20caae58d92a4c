import type { AuditLog } from '../audit/index.ts';
import type { CallObserver, CallRecord } from '../rest/index.ts';

/** What a route notes that an entry has room for. */
const longest = 1_000;

/**
 * Writes refused calls into the audit log, beside telling another observer. What changes the store
 * has its entry in the very commit; other changes are noted before they are made.
 */
export class AuditedCalls implements CallObserver {
  readonly #audit: AuditLog;
  readonly #next: CallObserver;

  constructor(components: { readonly audit: AuditLog; readonly next: CallObserver }) {
    this.#audit = components.audit;
    this.#next = components.next;
  }

  onMutation(record: CallRecord): void {
    this.#next.onMutation(record);
  }

  onRefused(record: CallRecord): void {
    this.#next.onRefused(record);
    const { operator, remote, action, route, outcome, reason = '' } = record;
    const detail = { remote, code: outcome, reason: reason.slice(0, longest) };
    void this.#audit.refuse({ actor: operator ?? remote, action, subject: route, detail });
  }
}
