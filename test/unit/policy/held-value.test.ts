import fc from 'fast-check';
import { expect, test } from 'vitest';
import { heldValue, valueKey } from '../../../src/policy/index.ts';

const maybe = fc.option(fc.constantFrom('a', 'b', ''), { nil: undefined });

test('the fleet’s value for the zone comes first, then for all, what was supplied, the default', () => {
  fc.assert(
    fc.property(
      fc.record({ zone: maybe, other: maybe, fleet: maybe, supply: maybe, byDefault: maybe }),
      fc.constantFrom('', 'eu'),
      ({ zone: ofZone, other, fleet: ofAll, supply, byDefault }, zone) => {
        const fleet = new Map<string, string>();
        if (ofZone !== undefined) fleet.set(valueKey('DB', 'eu'), ofZone);
        if (other !== undefined) fleet.set(valueKey('DB', 'us'), other);
        if (ofAll !== undefined) fleet.set(valueKey('DB', ''), ofAll);
        const supplies = new Map(supply === undefined ? [] : [['DB', supply]]);
        const order = [zone === 'eu' ? ofZone : undefined, ofAll, supply, byDefault];
        const index = order.findIndex((value) => value !== undefined);
        const source = (['zone', 'fleet', 'supply', 'default'] as const)[index];
        expect(heldValue('DB', { fleet, zone, supplies }, byDefault)).toEqual(
          source === undefined ? undefined : { value: order[index], source },
        );
      },
    ),
  );
});

test('a default is told as text, as all others are', () => {
  const from = {
    fleet: new Map<string, string>(),
    zone: 'eu',
    supplies: new Map<string, string>(),
  };
  expect(heldValue('N', from, 0)).toEqual({ value: '0', source: 'default' });
  expect(heldValue('B', from, false)).toEqual({ value: 'false', source: 'default' });
});

test('a need and a value for another zone are not mixed up', () => {
  const fleet = new Map([['DB@eu', 'x']]);
  const supplies = new Map<string, string>();
  expect(heldValue('DB', { fleet, zone: '', supplies })).toBeUndefined();
  expect(heldValue('DB', { fleet, zone: 'e', supplies })).toBeUndefined();
});
