import { StoreError } from '../../src/errors.ts';
import type { Entry, ReadStore } from '../store/index.ts';
import {
  auditHeadKey,
  auditKey,
  auditPrefix,
  firstPrevious,
  hashOf,
  parseEntry,
  parseHead,
  type AuditEntry,
  type AuditHead,
} from './audit-entry.ts';

export interface VerifyOptions {
  /** A head that was noted elsewhere: it finds a log that was written anew as a whole. */
  readonly anchor?: AuditHead | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the whole audit log, while trackers may go on writing it.
 * @returns its last entry; undefined for an empty log
 * @throws StoreError STORE_TAMPERED that says at which entry the log is not what was written; STORE_FAILED
 */
export async function verifyAudit(
  store: ReadStore,
  { anchor, signal }: VerifyOptions = {},
): Promise<AuditHead | undefined> {
  const headBefore = await readHead(store, signal);
  let last: AuditHead | undefined;
  for await (const entry of readEntries(store, signal)) {
    last = follow(last, entry);
    expectHead(last, headBefore);
    expectHead(last, anchor, 'that was noted elsewhere');
  }
  const headAfter = await readHead(store, signal);
  for (const head of [headBefore, anchor]) {
    if (head !== undefined && head.sequence > (last?.sequence ?? 0)) {
      throw tampered(head.sequence, 'is missing, and so are those before it that were not read');
    }
  }
  if (last === undefined) return undefined;
  // Entries that were written after the last one was read are not of this look.
  if ((headAfter?.sequence ?? 0) < last.sequence) {
    throw tampered(last.sequence, `is not what ${auditHeadKey} says is the last one`);
  }
  expectHead(last, headAfter);
  return last;
}

/**
 * Entries of the audit log, oldest first.
 * @param options.after begin behind this number
 * @throws StoreError STORE_TAMPERED for what is no entry; STORE_FAILED
 */
export async function listAudit(
  store: ReadStore,
  options: {
    readonly after?: number;
    readonly limit?: number;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<AuditEntry[]> {
  const { after = 0, limit, signal } = options;
  const { entries } = await store.list(auditPrefix, { after: auditKey(after), limit, signal });
  return entries.map(({ key, value }) => {
    const entry = parseEntry(value);
    if (entry === undefined || auditKey(entry.sequence) !== key) throw tamperedKey(key);
    return entry;
  });
}

/** The number and hash of the last entry; undefined before the first. */
export async function readHead(
  store: ReadStore,
  signal?: AbortSignal,
): Promise<AuditHead | undefined> {
  const entry = await store.get(auditHeadKey, { signal });
  if (entry === undefined) return undefined;
  const head = parseHead(entry.value);
  if (head === undefined) throw tamperedKey(auditHeadKey);
  return head;
}

async function* readEntries(
  store: ReadStore,
  signal: AbortSignal | undefined,
): AsyncGenerator<Entry> {
  let after: string | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const { entries } = await store.list(auditPrefix, { after, signal });
    yield* entries;
    after = entries.at(-1)?.key;
    if (after === undefined) return;
  }
}

/** The head after an entry, if it is the one that follows. */
function follow(before: AuditHead | undefined, { key, value }: Entry): AuditHead {
  const sequence = (before?.sequence ?? 0) + 1;
  if (key !== auditKey(sequence)) {
    throw key > auditKey(sequence) ? tampered(sequence, 'is missing') : tamperedKey(key);
  }
  const entry = parseEntry(value);
  if (entry?.sequence !== sequence || entry.hash !== hashOf(entry)) {
    throw tampered(sequence, 'was changed');
  }
  if (entry.previous !== (before?.hash ?? firstPrevious)) {
    throw tampered(sequence, 'does not follow the one before it: one of the two was exchanged');
  }
  return { sequence, hash: entry.hash };
}

function expectHead(last: AuditHead, head: AuditHead | undefined, which = auditHeadKey): void {
  if (last.sequence === head?.sequence && last.hash !== head.hash) {
    throw tampered(last.sequence, `is another one than that ${which}`);
  }
}

const tampered = (sequence: number, what: string): StoreError =>
  new StoreError('STORE_TAMPERED', `the audit log was changed: entry ${sequence} ${what}`, {
    evidence: { sequence },
  });

const tamperedKey = (key: string): StoreError =>
  new StoreError(
    'STORE_TAMPERED',
    `the audit log was changed: ${key} is not what the log writes there`,
    { evidence: { key } },
  );
