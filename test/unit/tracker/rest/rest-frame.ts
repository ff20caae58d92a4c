import { readFile } from 'node:fs/promises';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { AccessToken } from '../../../../tracker/access-token.ts';
import { createHttpServer } from '../../../../tracker/http-server.ts';
import { TrackerMetrics } from '../../../../tracker/metrics.ts';
import {
  addRestRoutes,
  defaultRecords,
  defaultWrongTokens,
  MemoryRecords,
  Operators,
  WrongTokens,
  type AdmissionInit,
  type CallRecord,
  type RestRoute,
} from '../../../../tracker/rest/index.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

export interface RestFrame {
  readonly app: FastifyInstance;
  readonly directory: string;
  readonly token: string;
  readonly done: CallRecord[];
  readonly refused: CallRecord[];
  /** Lets time go by. */
  readonly pass: (ms: number) => void;
  /** Calls as the operator admin from this machine, if nothing else is said. */
  readonly call: (options: InjectOptions) => Promise<LightMyRequestResponse>;
}

/** The frame with routes of a test's own, real operators, and a clock that the test has. */
export async function openFrame(
  routes: readonly RestRoute[],
  init: Partial<AdmissionInit> = {},
): Promise<RestFrame> {
  const directory = await temporaryDirectory();
  const log = pino({ level: 'silent' });
  let nowMs = 1_000_000;
  const now = () => nowMs;
  const adminToken = await AccessToken.open(directory);
  const token = (await readFile(adminToken.path, 'utf8')).trim();
  const app = createHttpServer({ log, metrics: metrics() }, { maxConnections: 10 });
  onTestFinished(() => app.close());
  const done: CallRecord[] = [];
  const refused: CallRecord[] = [];
  const components = {
    operators: await Operators.open({ adminToken, log }, directory),
    wrongTokens: new WrongTokens({ monotonicMs: now }, defaultWrongTokens),
    records: new MemoryRecords({ monotonicMs: now }, defaultRecords),
    observer: {
      onMutation: (record: CallRecord) => void done.push(record),
      onRefused: (record: CallRecord) => void refused.push(record),
    },
    now,
  };
  await addRestRoutes(app, routes, components, { isInsecure: false, tls: undefined, ...init });
  const call = ({ headers, ...options }: InjectOptions) =>
    app.inject({ ...options, headers: { authorization: `Bearer ${token}`, ...headers } });
  return { app, directory, token, done, refused, pass: (ms) => (nowMs += ms), call };
}

const metrics = () =>
  new TrackerMetrics({
    swarms: () => ({ swarms: 0, seeds: 0, downloaders: 0 }),
    origins: () => ({ askers: 0, grantedBytes: 0 }),
    load: () => ({ announcesPerSecond: 0, intervalMs: 0 }),
    releasesExpireMs: () => undefined,
  });
