import { expect, test } from 'vitest';
import {
  ConfigError,
  PeerError,
  RepositoryError,
  StorageError,
  StoreError,
  TrackerError,
} from '../../../src/errors.ts';
import { problem, ProblemError, problemOf } from '../../../tracker/problem.ts';

const fastifyError = (statusCode: number) => Object.assign(new Error('FST_ERR'), { statusCode });

test.each([
  [new RepositoryError('REPOSITORY_ROLLBACK', 'older'), 409, 'REPOSITORY_ROLLBACK', 'older'],
  [new RepositoryError('REPOSITORY_SIGNATURE', 'no'), 403, 'REPOSITORY_SIGNATURE', 'no'],
  [new RepositoryError('REPOSITORY_NO_RELEASE', 'none'), 404, 'REPOSITORY_NO_RELEASE', 'none'],
  [new PeerError('PEER_PROTOCOL', 'what'), 400, 'PEER_PROTOCOL', 'what'],
  [new ConfigError('CONFIG_INVALID', 'so not'), 400, 'CONFIG_INVALID', 'so not'],
  [new StorageError('STORAGE_NO_SPACE', 'full'), 503, 'STORAGE_NO_SPACE', 'full'],
  [new StoreError('STORE_CONFLICT', 'raced'), 409, 'STORE_CONFLICT', 'raced'],
  [new StoreError('STORE_TOO_LARGE', 'large'), 413, 'STORE_TOO_LARGE', 'large'],
  [new StoreError('STORE_READ_ONLY', 'full'), 503, 'STORE_READ_ONLY', 'full'],
  [new StoreError('STORE_FAILED', 'gone'), 503, 'STORE_FAILED', 'gone'],
  [new StoreError('STORE_TAMPERED', 'cut'), 500, 'STORE_TAMPERED', 'cut'],
  [new ProblemError(problem(418, 'TEAPOT', 'short')), 418, 'TEAPOT', 'short'],
  [fastifyError(413), 413, 'REQUEST_TOO_LARGE', expect.any(String) as string],
  [fastifyError(499), 499, 'REQUEST_INVALID', expect.any(String) as string],
  // Nothing that a caller should hear of.
  [
    new TrackerError('TRACKER_FAILED', 'inner'),
    500,
    'INTERNAL',
    expect.not.stringMatching(/inner/) as string,
  ],
  [new Error('inner'), 500, 'INTERNAL', expect.not.stringMatching(/inner/) as string],
  ['inner', 500, 'INTERNAL', expect.not.stringMatching(/inner/) as string],
])('%s comes out as %i %s', (error, status, code, detail) => {
  expect(problemOf(error)).toMatchObject({ type: 'about:blank', status, code, detail });
});
