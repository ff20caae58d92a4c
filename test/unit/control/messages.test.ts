import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  parseHostMessage,
  parseTrackerMessage,
  type HostMessage,
} from '../../../src/control/messages.ts';
import { isStarlingError } from '../../../src/errors.ts';

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

const hello: HostMessage = {
  type: 'hello',
  protocol: 1,
  version: '0.1.0',
  follows: [{ app: 'web', channel: 'stable' }],
  settings: { web: 4 },
  addresses: ['/ip4/10.0.0.1/tcp/7000'],
};

test('fields that are not known are dropped, types that are not known are ignored', () => {
  expect(parseHostMessage(bytes({ ...hello, mood: 'good' }))).toEqual(hello);
  expect(parseHostMessage(bytes({ type: 'future', anything: [1] }))).toBeUndefined();
  expect(parseHostMessage(bytes({ type: 'toString' }))).toBeUndefined();
  expect(parseHostMessage(bytes({ type: '__proto__' }))).toBeUndefined();
});

test('a message of the other side is not known', () => {
  expect(parseTrackerMessage(bytes(hello))).toBeUndefined();
});

test.each([
  ['no type', {}],
  ['no object', [1]],
  ['too many channels', { ...hello, follows: Array(257).fill({ app: 'a', channel: 'b' }) }],
  ['a revision below 0', { ...hello, settings: { web: -1 } }],
  ['a long name', { ...hello, follows: [{ app: 'a'.repeat(101), channel: 'b' }] }],
])('a known message with %s is refused', (_, value) => {
  expect(() => parseHostMessage(bytes(value))).toThrow(
    expect.objectContaining({ code: 'PEER_PROTOCOL' }),
  );
});

test('whatever a peer sends, it is a message, nothing, or a refusal', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
    fc.jsonValue().map(bytes),
    fc
      .record({ type: fc.constantFrom('hello', 'report', 'renew', 'permits'), x: fc.jsonValue() })
      .map(bytes),
  );
  fc.assert(
    fc.property(anything, (frame) => {
      for (const parse of [parseHostMessage, parseTrackerMessage]) {
        try {
          expect(typeof (parse(frame)?.type ?? '')).toBe('string');
        } catch (error) {
          expect(isStarlingError(error) && error.code).toBe('PEER_PROTOCOL');
        }
      }
    }),
  );
});
