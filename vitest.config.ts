import { defineConfig } from 'vitest/config';

/** Unit tests run side by side; tests that start real processes run one file at a time. */
const processes = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 60_000 };

/**
 * Minutes in all, so apart: foreign clients that wait for seconds before they begin, web seeds, whose
 * pauses are real ones, hosts that are killed again and again or whose disk is full for a while, and what
 * starts very many processes. What is left takes less than ten minutes on two cores.
 */
const slow = [
  'test/unit/swarm/web-seed.test.ts',
  'test/interop/nginx.test.ts',
  'test/interop/gateway.test.ts',
  'test/interop/open-listener.test.ts',
  'test/interop/foreign-seeds.test.ts',
  'test/fault/kill.test.ts',
  'test/fault/power-cut.test.ts',
  'test/fault/lying-peer.test.ts',
  'test/system/fleet-rollout.test.ts',
  'test/system/many-swarms.test.ts',
  'test/system/trust.test.ts',
  'test/system/sealed.test.ts',
  'test/system/bad-input.test.ts',
  'test/system/publish.test.ts',
  'test/system/fleet-credential.test.ts',
  'test/system/package.test.ts',
  'test/system/swarm-bench.test.ts',
  'test/interop/libtorrent-fetches.test.ts',
  'test/unit/swarm/floods.test.ts',
  'test/fault/full-disk.test.ts',
  'test/fault/tracker-store.test.ts',
  'test/system/refused.test.ts',
  'test/system/hints.test.ts',
  'test/system/approval.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          exclude: slow,
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          exclude: slow,
          ...processes,
        },
      },
      {
        test: {
          name: 'interop',
          include: ['test/interop/**/*.test.ts'],
          exclude: slow,
          ...processes,
        },
      },
      { test: { name: 'slow', include: slow, ...processes } },
      {
        test: {
          name: 'fault',
          include: ['test/fault/**/*.test.ts'],
          exclude: slow,
          ...processes,
        },
      },
    ],
  },
});
