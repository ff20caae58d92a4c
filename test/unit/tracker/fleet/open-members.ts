import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Identity } from '../../../../src/trust/sealed.ts';
import { AuditLog } from '../../../../tracker/audit/index.ts';
import { Members } from '../../../../tracker/fleet/members.ts';
import { SqliteStore } from '../../../../tracker/store/sqlite-store.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

export const startMs = Date.UTC(2026, 0, 1);
/** For how long one waits to be approved. */
export const pendingMs = 600_000;
export const hostGrant = { roles: ['host' as const], apps: ['web'], labels: { rack: 'r1' } };

/** Members of a new fleet on a store of its own, whose time only goes when the test says so. */
export async function openMembers(init: { readonly mostPending?: number } = {}) {
  const path = join(await temporaryDirectory(), 'store.db');
  const store = await SqliteStore.open({ path });
  onTestFinished(() => store[Symbol.asyncDispose]());
  const clock = { nowMs: startMs };
  const now = () => clock.nowMs;
  const audit = new AuditLog({ store, now });
  const fleetKey = Identity.generate();
  let drawn = 0;
  // Secrets that differ, and are the same in each run.
  const randomBytes = (count: number) =>
    createHash('sha512').update(String(drawn++)).digest().subarray(0, count);
  const members = new Members(
    { store, audit, fleetKey, now, randomBytes },
    { credentialMs: 3_600_000, pending: { most: init.mostPending ?? 10, keptMs: pendingMs } },
  );
  return { members, store, audit, fleetKey, clock };
}

export const newPeer = (): string => Identity.generate().peerId;
