import { describe, expect, test } from 'vitest';
import { limitChangeSchema, limitsSchema, swarmLimitChangeSchema } from '../../../src/api/index.ts';

describe('a change of limits', () => {
  test.each([
    {},
    { uploadBytesPerSecond: 1_000 },
    { uploadBytesPerSecond: null, downloadBytesPerSecond: 25e6 },
  ])('may be %j', (change) => {
    expect(limitChangeSchema.parse(change)).toEqual(change);
    expect(swarmLimitChangeSchema.parse(change)).toEqual(change);
  });

  test.each([
    { uploadBytesPerSecond: 0 },
    { uploadBytesPerSecond: 999 },
    { uploadBytesPerSecond: -1_000 },
    { downloadBytesPerSecond: '200Mbit' },
    { downloadBytesPerSecond: Infinity },
    { uploadLimit: 1_000 },
    { priority: 'urgent' },
    null,
    [],
  ])('may not be %j', (change) => {
    expect(limitChangeSchema.safeParse(change).success).toBe(false);
    expect(swarmLimitChangeSchema.safeParse(change).success).toBe(false);
  });

  test('has a priority only for one swarm', () => {
    const change = { priority: 'high' };
    expect(limitChangeSchema.safeParse(change).success).toBe(false);
    expect(swarmLimitChangeSchema.parse(change)).toEqual(change);
  });
});

test('limits of a newer fetcher are understood', () => {
  const none = { uploadBytesPerSecond: null, downloadBytesPerSecond: null };
  const swarm = { imageId: 'b', ...none, priority: 'low' as const };
  const limits = { ...none, swarms: [swarm] };
  expect(limitsSchema.parse({ ...limits, more: 1, swarms: [{ ...swarm, more: 2 }] })).toEqual(
    limits,
  );
});
