import { describe, expect, test } from 'vitest';
import { copiesOf, payloadShare } from '../../../../bench/swarm/payload-rate.ts';

describe('the part of a link that is payload', () => {
  test('is what TCP with timestamps carries in a full Ethernet frame', () => {
    expect(payloadShare).toBe(1_448 / 1_514);
  });

  test('makes one copy of the frames that carry an image in full segments', () => {
    const segments = 1_000;
    expect(copiesOf(segments * 1_514, segments * 1_448)).toBeCloseTo(1, 12);
  });
});
