import { expect, test } from 'vitest';
import { StoreError } from '../../../src/errors.ts';
import { problemOf } from '../../../tracker/problem.ts';

test.each([
  ['STORE_CONFLICT', 409],
  ['STORE_TOO_LARGE', 413],
  ['STORE_READ_ONLY', 503],
  ['STORE_FAILED', 503],
  ['STORE_TAMPERED', 500],
] as const)('%s of the store is answered with %i', (code, status) => {
  expect(problemOf(new StoreError(code, 'why'))).toMatchObject({ status, code, detail: 'why' });
});
