import { defineConfig } from 'vitest/config';

/** Unit tests run side by side; tests that start real processes run one file at a time. */
const processes = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 60_000 };

const slow = [
  'test/interop/gateway.test.ts',
  'test/interop/open-listener.test.ts',
  'test/interop/foreign-seeds.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 30_000 } },
      { test: { name: 'system', include: ['test/system/**/*.test.ts'], ...processes } },
      {
        test: {
          name: 'interop',
          include: ['test/interop/**/*.test.ts'],
          exclude: slow,
          ...processes,
        },
      },
      // Foreign clients that wait for seconds before they begin: minutes in all, so apart.
      { test: { name: 'foreign', include: slow, ...processes } },
      { test: { name: 'fault', include: ['test/fault/**/*.test.ts'], ...processes } },
    ],
  },
});
