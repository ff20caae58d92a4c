import { expect, test } from 'vitest';
import { decodeBencode, type BencodeDictionary } from '../../../src/image/index.ts';
import { OriginLeases } from '../../../tracker/origin-leases.ts';
import { announceUrl } from './announce-url.ts';
import { runNewTracker } from './running-tracker.ts';

const sizeBytes = 120 << 20;
const init = {
  originAskers: 1,
  originBudget: { copies: 1.5 },
  originLeaseMs: 30_000,
  maxSwarms: 2,
};
const claim = (takenBytes = 0, wanted = true) => ({ wanted, sizeBytes, takenBytes });

test('each image has books of its own', () => {
  const leases = new OriginLeases(init);
  const ask = (infoHash: string, host: string) =>
    leases.answer({ infoHash, host, origin: claim() }, 0);
  expect(ask('one', 'a')).toMatchObject({ slot: 0 });
  expect(ask('one', 'b')).toHaveProperty('waitMs');
  expect(ask('two', 'b')).toMatchObject({ slot: 0 });
  expect(leases.totals(0).askers).toBe(2);
});

test('books are never closed to make room, which would give a new budget', () => {
  const leases = new OriginLeases(init);
  const answer = (infoHash: string) => leases.answer({ infoHash, host: 'a', origin: claim() }, 0);
  answer('one');
  answer('two');
  expect(answer('three')).toEqual({ waitMs: 60_000 });
  expect(answer('one')).toMatchObject({ slot: 0 });
});

test('what a seed says it has taken counts at a tracker that has just started', () => {
  const leases = new OriginLeases(init);
  const origin = claim(1.5 * sizeBytes, false);
  expect(leases.answer({ infoHash: 'one', host: 'a', origin }, 0)).toBeUndefined();
  const asked = leases.answer({ infoHash: 'one', host: 'b', origin: claim() }, 0);
  expect(asked).toHaveProperty('waitMs');
});

async function announce(url: string, fields: Parameters<typeof announceUrl>[0]) {
  const response = await fetch(url + announceUrl(fields));
  const body = decodeBencode(await response.bytes()) as BencodeDictionary;
  const origin = body.get('origin') as BencodeDictionary | undefined;
  return origin && Object.fromEntries(origin);
}

test('an announce that would use the origin gets a lease, or is told to wait', async () => {
  const { tracker } = await runNewTracker({ originAskers: 2 });
  const size = String(sizeBytes);
  const host = (name: string, fields: Parameters<typeof announceUrl>[0] = {}) =>
    announce(tracker.url, { peer_id: name.repeat(20), port: `100${name}`, ...fields });
  const wants = { origin: '1', size, origin_taken: '0' };
  expect(await host('1')).toBeUndefined();
  expect(await host('1', wants)).toEqual({ slot: 0, slots: [0], bytes: 15 << 20, expires: 15 });
  expect(await host('2', wants)).toMatchObject({ slot: 1, slots: [0, 1] });
  expect(await host('3', wants)).toEqual({ wait: 15 });
  expect(await host('1', { ...wants, event: 'stopped' })).toBeUndefined();
  expect(await host('3', wants)).toMatchObject({ slot: 0, slots: [0, 1] });
});
