import { expect, test } from 'vitest';
import { stillFixed } from '../../../../tracker/fleet/rollout-commands.ts';

const imageId = `b${'a'.repeat(58)}`;

test('of a host that was freed it is said what still fixes it', () => {
  expect(stillFixed('PEER', { isHeld: false, pins: {} })).toBe('PEER is free');
  expect(stillFixed('PEER', { isHeld: false, pins: { web: imageId } })).toBe(
    `PEER is still web pinned to ${imageId}: free it with --app too`,
  );
  expect(stillFixed('PEER', { isHeld: true, pins: {} })).toBe(
    'PEER is still held: free it without --app',
  );
});
