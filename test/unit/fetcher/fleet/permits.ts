import { PermitBook, type PermitBookComponents } from '../../../../fetcher/fleet/permit-book.ts';
import type { Permit } from '../../../../src/control/index.ts';
import type { Durability } from '../../../../src/image/index.ts';
import { silent } from '../fixture.ts';

/** For what no test cuts the power of. */
export const notDurable: Durability = {
  syncFile: () => Promise.resolve(),
  syncDirectory: () => Promise.resolve(),
};

/** When the tests begin, in fleet time. */
export const t0 = Date.parse('2026-11-01T00:00:00.000Z');
/** How long a permit lasts. */
export const leaseMs = 4_000;

/** A permit for release `bimage2` that was decided at t0. */
export const permit = (epoch: number, change: Partial<Permit> = {}): Permit => ({
  app: 'web',
  channel: 'stable',
  release: 'bimage2',
  action: 'activate',
  epoch,
  validUntil: new Date(t0 + leaseMs).toISOString(),
  ...change,
});

export const openBook = async (
  path: string,
  components: Partial<PermitBookComponents> = {},
): Promise<PermitBook> =>
  await PermitBook.open(
    { durability: notDurable, log: silent, fleetTimeMs: () => t0, ...components },
    { path },
  );
