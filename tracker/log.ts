import type { FastifyBaseLogger } from 'fastify';
import { destination, pino, stdTimeFunctions } from 'pino';
import type { TrackerConfig } from './config.ts';

/** Log lines as JSON on stderr: stdout is for what the program answers. */
export function createLog(level: TrackerConfig['logLevel']): FastifyBaseLogger {
  return pino({ level, timestamp: stdTimeFunctions.isoTime, base: null }, destination(2));
}
