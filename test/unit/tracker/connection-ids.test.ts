import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConnectionIds } from '../../../tracker/connection-ids.ts';
import { packAddress } from '../../../tracker/peer-address.ts';

const addressOf = (text: string) => packAddress(text) ?? '';
const address = fc.oneof(fc.ipV4(), fc.ipV6()).map(addressOf);
const time = fc.nat(2 ** 40);

test('an id is taken for two minutes and not much longer, whenever it was given', () => {
  const ids = new ConnectionIds();
  fc.assert(
    fc.property(address, time, fc.nat(120_000), (from, nowMs, laterMs) => {
      const id = ids.issue(from, nowMs);
      expect(id).toHaveLength(8);
      expect(ids.accepts(id, from, nowMs + laterMs)).toBe(true);
      expect(ids.accepts(id, from, nowMs + 130_000 + laterMs)).toBe(false);
      // After this the byte of the time comes again.
      expect(ids.accepts(id, from, nowMs + 2_560_000)).toBe(false);
    }),
  );
});

test('an id is no good at another address, under another secret, or before its time', () => {
  const [ids, others] = [new ConnectionIds(), new ConnectionIds()];
  fc.assert(
    fc.property(address, address, time, (from, other, nowMs) => {
      const id = ids.issue(from, nowMs);
      expect(ids.accepts(id, other, nowMs)).toBe(from === other);
      expect(others.accepts(id, from, nowMs)).toBe(false);
      expect(ids.accepts(id, from, nowMs - 20_000)).toBe(false);
    }),
  );
  const id = ids.issue('\x7f\0\0\x01', 0);
  expect(ids.accepts(id, '\x7f\0\0\x01' + '\0'.repeat(12), 0)).toBe(false);
});

test('no bit of an id may be another', () => {
  const ids = new ConnectionIds();
  const from = addressOf('192.0.2.1');
  const id = Buffer.from(ids.issue(from, 1e6), 'latin1');
  for (let bit = 0; bit < 64; bit++) {
    const forged = Buffer.from(id);
    forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(ids.accepts(forged.toString('latin1'), from, 1e6)).toBe(false);
  }
});
