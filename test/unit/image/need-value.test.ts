import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { needFault, needValue } from '../../../src/image/index.ts';

describe('the value of a need', () => {
  test.each([
    ['number', '2.5', 2.5],
    ['number', '-1e3', -1_000],
    ['port', '8080', 8_080],
    ['boolean', 'true', true],
    ['boolean', 'false', false],
    ['string', 'true', 'true'],
    ['url', 'http://a/b', 'http://a/b'],
    ['endpoint', '[::1]:80', '[::1]:80'],
  ] as const)('of type %s, %s, is %j', (type, text, value) => {
    expect(needFault(type, text)).toBeUndefined();
    expect(needValue(type, text)).toBe(value);
  });

  test('is what was written down, whatever it was', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(needFault('number', `${number}`)).toBeUndefined();
        expect(needValue('number', `${number}`) as number).toBeCloseTo(number);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: -10, max: 70_000 }), (port) => {
        expect(needFault('port', `${port}`) === undefined).toBe(port >= 1 && port <= 65_535);
      }),
    );
  });

  test('is without fault only if it reads as its type, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (text) => {
        if (needFault('number', text) === undefined) {
          expect(Number.isFinite(needValue('number', text))).toBe(true);
        }
        if (needFault('url', text) === undefined) expect(() => new URL(text)).not.toThrow();
        if (needFault('endpoint', text) === undefined) expect(text).toMatch(/^\S+:\d+$/);
      }),
    );
  });
});
