import { request } from 'node:http';
import type * as z from 'zod';
import { ActivationError, ConfigError } from '../errors.ts';
import {
  fetcherFaultSchema,
  fetcherStatusSchema,
  generationsSchema,
  limitsSchema,
  rollbackSchema,
  type FetcherStatus,
  type Generations,
  type LimitChangeRequest,
  type Limits,
  type Rollback,
  type RollbackRequest,
  type SwarmLimitChangeRequest,
} from './fetcher-schemas.ts';
import { hostSettingsSchema, type HostSettings } from './settings-schemas.ts';

const maxAnswerBytes = 16 << 20;

/** Speaks with the fetcher of this host over its unix socket. */
export class FetcherClient {
  readonly #socketPath: string;

  constructor(init: { socketPath: string }) {
    this.#socketPath = init.socketPath;
  }

  /** @returns undefined when no fetcher runs there */
  status(options: { signal?: AbortSignal | undefined } = {}): Promise<FetcherStatus | undefined> {
    return this.#ask(fetcherStatusSchema, { method: 'GET', path: '/v1/status' }, options.signal);
  }

  /** @returns undefined when no fetcher runs there */
  generations(
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Generations | undefined> {
    return this.#ask(generationsSchema, { method: 'GET', path: '/v1/generations' }, options.signal);
  }

  /**
   * Goes back to an earlier generation; returns when that is healthy.
   * @returns undefined when no fetcher runs there
   * @throws ActivationError, ConfigError
   */
  rollback(
    body: RollbackRequest,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Rollback | undefined> {
    const call = { method: 'POST', path: '/v1/rollback', body };
    return this.#ask(rollbackSchema, call, options.signal);
  }

  /** @returns undefined when no fetcher runs there */
  settings(options: { signal?: AbortSignal | undefined } = {}): Promise<HostSettings | undefined> {
    return this.#ask(hostSettingsSchema, { method: 'GET', path: '/v1/settings' }, options.signal);
  }

  /** @returns undefined when no fetcher runs there */
  limits(options: { signal?: AbortSignal | undefined } = {}): Promise<Limits | undefined> {
    return this.#ask(limitsSchema, { method: 'GET', path: '/v1/limits' }, options.signal);
  }

  /**
   * Changes the limits of all swarms together; null: none.
   * @returns what holds now; undefined when no fetcher runs there
   * @throws ConfigError
   */
  setLimits(
    body: LimitChangeRequest,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Limits | undefined> {
    const call = { method: 'PATCH', path: '/v1/limits', body };
    return this.#ask(limitsSchema, call, options.signal);
  }

  /**
   * Changes limits and priority of one swarm.
   * @returns what holds now; undefined when no fetcher runs there
   * @throws ConfigError also when that host has no such image
   */
  setSwarmLimits(
    imageId: string,
    body: SwarmLimitChangeRequest,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Limits | undefined> {
    const path = `/v1/swarms/${encodeURIComponent(imageId)}/limits`;
    return this.#ask(limitsSchema, { method: 'PATCH', path, body }, options.signal);
  }

  async #ask<T>(
    schema: z.ZodType<T>,
    call: { method: string; path: string; body?: unknown },
    signal: AbortSignal | undefined,
  ): Promise<T | undefined> {
    const answer = await this.#exchange(call, signal).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return undefined;
      throw error;
    });
    if (answer === undefined) return undefined;
    const value: unknown = JSON.parse(answer.text);
    if (answer.status === 200) return schema.parse(value);
    const { code, message } = fetcherFaultSchema.parse(value).error;
    if (code.startsWith('CONFIG_')) throw new ConfigError('CONFIG_INVALID', message);
    const known = ['ACTIVATION_START', 'ACTIVATION_UNHEALTHY', 'ACTIVATION_NO_GENERATION'] as const;
    throw new ActivationError(known.find((name) => name === code) ?? 'ACTIVATION_START', message);
  }

  #exchange(
    call: { method: string; path: string; body?: unknown },
    signal: AbortSignal | undefined,
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          socketPath: this.#socketPath,
          method: call.method,
          path: call.path,
          headers: { 'content-type': 'application/json' },
          signal,
        },
        (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.on('data', (chunk: Buffer) => {
            chunks.push(chunk);
            bytes += chunk.length;
            if (bytes > maxAnswerBytes) response.destroy(new Error('the answer is too long'));
          });
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({ status: response.statusCode ?? 0, text });
          });
        },
      );
      sent.on('error', reject);
      sent.end(call.body === undefined ? undefined : JSON.stringify(call.body));
    });
  }
}
