import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Order, PermitBook } from '../../../../fetcher/fleet/permit-book.ts';
import {
  temporaryDirectory,
  withTemporaryDirectory,
} from '../../../tools/with-temporary-directory.ts';
import { leaseMs, notDurable, openBook, permit, t0 } from './permits.ts';

/** The order that is open, which a test knows to be there. */
function orderOf(book: PermitBook): Order {
  if (book.order === undefined) throw new Error('nothing was ordered');
  return book.order;
}

const notPermitted = { code: 'ACTIVATION_NOT_PERMITTED' };

test('the newest order is the one that holds, whatever comes after it', async () => {
  const book = await openBook(join(await temporaryDirectory(), 'permits.json'));
  await book.take([permit(5), permit(7, { action: 'hold' }), permit(6)]);
  await book.take([permit(5), permit(7)]);
  expect(book.order).toMatchObject({ action: 'hold', epoch: 7 });
  expect(book.heard).toBe(7);
});

test('an order that was heard is void as soon as another one comes', async () => {
  const book = await openBook(join(await temporaryDirectory(), 'permits.json'));
  await book.take([permit(5)]);
  const order = orderOf(book);
  const hearing = book.take([permit(6, { action: 'hold' })]);
  expect(book.holds(order)).toBe(false);
  await expect(book.begin(order)).rejects.toMatchObject(notPermitted);
  await hearing;
  expect(book.acted).toBe(0);
});

test('an activation begins before its lease ends or not at all, and a renewal prolongs it', async () => {
  let nowMs = t0 + leaseMs;
  const path = join(await temporaryDirectory(), 'permits.json');
  const book = await openBook(path, { fleetTimeMs: () => nowMs });
  await book.take([permit(5)]);
  await expect(book.begin(orderOf(book))).rejects.toThrow('its lease has ended');
  await book.take([permit(5, { validUntil: new Date(nowMs + leaseMs).toISOString() })]);
  nowMs += leaseMs - 1;
  await book.begin(orderOf(book));
  expect(book.acted).toBe(5);
});

test('without a lease, or while the time of the fleet is not known, nothing may be activated', async () => {
  const directory = await temporaryDirectory();
  const without = permit(5, { validUntil: undefined });
  const book = await openBook(join(directory, 'one.json'));
  await book.take([without]);
  expect(book.holds(orderOf(book))).toBe(false);
  const timeless = await openBook(join(directory, 'two.json'), { fleetTimeMs: () => undefined });
  await timeless.take([permit(5)]);
  await expect(timeless.begin(orderOf(timeless))).rejects.toMatchObject(notPermitted);
});

test('going back asks for no lease', async () => {
  const path = join(await temporaryDirectory(), 'permits.json');
  const book = await openBook(path, { fleetTimeMs: () => undefined });
  await book.take([permit(5, { action: 'goBack' })]);
  await book.begin(orderOf(book));
  expect(book).toMatchObject({ acted: 5, order: undefined });
});

test('an epoch that was acted on is not acted on again, also not after a kill', async () => {
  const path = join(await temporaryDirectory(), 'permits.json');
  const book = await openBook(path);
  await book.take([permit(5)]);
  const order = orderOf(book);
  await book.begin(order);
  await expect(book.begin(order)).rejects.toThrow('it was acted on already');
  const next = await openBook(path);
  await next.take([permit(5)]);
  expect(next).toMatchObject({ heard: 5, acted: 5, order: undefined });
  await next.take([permit(4), permit(6)]);
  expect(next.order?.epoch).toBe(6);
});

test('two who begin at once do not both', async () => {
  const book = await openBook(join(await temporaryDirectory(), 'permits.json'));
  await book.take([permit(5)]);
  const order = orderOf(book);
  const outcomes = await Promise.allSettled([book.begin(order), book.begin(order)]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
});

test('a lease that ends while it is noted that it is used is not used', async () => {
  let nowMs = t0;
  const path = join(await temporaryDirectory(), 'permits.json');
  const durability = {
    ...notDurable,
    syncFile: () => {
      nowMs += leaseMs;
      return Promise.resolve();
    },
  };
  const book = await openBook(path, { durability, fleetTimeMs: () => nowMs });
  await book.take([permit(5, { validUntil: new Date(t0 + 2 * leaseMs).toISOString() })]);
  await expect(book.begin(orderOf(book))).rejects.toThrow('its lease has ended');
  expect(book.acted).toBe(5);
});

test('what can not be written is neither told nor acted on, and can be when it is said again', async () => {
  const path = join(await temporaryDirectory(), 'permits.json');
  let isFull = true;
  const durability = {
    ...notDurable,
    syncFile: () => (isFull ? Promise.reject(new Error('full')) : Promise.resolve()),
  };
  const book = await openBook(path, { durability });
  await expect(book.take([permit(5)])).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  expect(book.heard).toBe(0);
  await expect(book.begin(orderOf(book))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  expect(book.acted).toBe(0);
  isFull = false;
  await book.take([permit(5)]);
  await book.begin(orderOf(book));
  expect(book).toMatchObject({ heard: 5, acted: 5 });
});

test('a damaged book is begun anew, and is whole after the next order', async () => {
  const path = join(await temporaryDirectory(), 'permits.json');
  const negative = '{"heard":-1,"acted":0,"numbered":0}';
  for (const text of ['', '{"heard":9', negative, '[]', '\0\0\0', ' '.repeat(5_000)]) {
    await writeFile(path, text);
    const book = await openBook(path);
    expect(book).toMatchObject({ heard: 0, acted: 0 });
    await book.take([permit(5)]);
    expect(await readFile(path, 'utf8')).toBe('{"heard":5,"acted":0,"numbered":0}\n');
  }
});

test('reports are numbered by fleet time, and the numbers grow when it does not, and over restarts', async () => {
  const path = join(await temporaryDirectory(), 'permits.json');
  let nowMs: number | undefined = t0;
  const components = { fleetTimeMs: () => nowMs };
  const book = await openBook(path, components);
  const numbers = [await book.nextNumber(), await book.nextNumber()];
  nowMs = t0 - 3_600_000;
  numbers.push(await book.nextNumber());
  nowMs = undefined;
  const next = await openBook(path, components);
  numbers.push(await next.nextNumber());
  expect(numbers.slice(0, 3)).toEqual([t0, t0 + 1, t0 + 2]);
  expect(numbers[3]).toBeGreaterThan(t0 + 2);
});

test('a report is numbered also when that can not be kept', async () => {
  const path = join(await temporaryDirectory(), 'permits.json');
  const durability = { ...notDurable, syncFile: () => Promise.reject(new Error('full')) };
  const book = await openBook(path, { durability });
  expect([await book.nextNumber(), await book.nextNumber()]).toEqual([t0, t0 + 1]);
});

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('hear' as const),
      epoch: fc.integer({ min: 1, max: 9 }),
      action: fc.constantFrom('activate' as const, 'hold' as const, 'goBack' as const),
      leaseMs: fc.integer({ min: -50, max: 100 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ do: 'begin' as const }) },
  fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 60 }) }),
  fc.constant({ do: 'restart' as const }),
  fc.constant({ do: 'breakDisk' as const }),
);

/** Stands for the epochs that a host forgot, and the permits that it used after their lease. */
test('whatever comes, an epoch is acted on once, within its lease, and never after a higher one', async () => {
  await withTemporaryDirectory(async (directory) => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const path = join(directory, `${run++}.json`);
        let nowMs = t0;
        let isBroken = false;
        const durability = {
          ...notDurable,
          // A disk that fails after the rename has kept it.
          syncDirectory: () => (isBroken ? Promise.reject(new Error('bad')) : Promise.resolve()),
        };
        const components = { durability, fleetTimeMs: () => nowMs };
        let book = await openBook(path, components);
        let told = { heard: 0, acted: 0 };
        let highest = 0;
        const leases = new Map<number, number>();
        const begun: number[] = [];
        for (const one of steps) {
          if (one.do === 'wait') nowMs += one.ms;
          if (one.do === 'breakDisk') isBroken = !isBroken;
          if (one.do === 'restart') {
            book = await openBook(path, components);
            highest = book.heard;
          }
          if (one.do === 'hear') {
            const { epoch, action } = one;
            const untilMs = nowMs + one.leaseMs;
            const validUntil = new Date(untilMs).toISOString();
            await book.take([permit(epoch, { action, validUntil })]).catch(() => undefined);
            leases.set(epoch, Math.max(untilMs, leases.get(epoch) ?? 0));
            highest = Math.max(highest, epoch);
          }
          const { order } = book;
          if (one.do === 'begin' && order !== undefined && order.action !== 'hold') {
            const isBegun = await book.begin(order).then(
              () => true,
              () => false,
            );
            if (isBegun) {
              expect(begun).not.toContain(order.epoch);
              expect(order.epoch).toBe(highest);
              if (order.action === 'activate') {
                expect(nowMs).toBeLessThan(leases.get(order.epoch) ?? 0);
              }
              begun.push(order.epoch);
            }
          }
          expect(book.heard).toBeGreaterThanOrEqual(told.heard);
          expect(book.acted).toBeGreaterThanOrEqual(Math.max(told.acted, ...begun));
          told = { heard: book.heard, acted: book.acted };
        }
      }),
      { numRuns: 60 },
    );
  });
});
