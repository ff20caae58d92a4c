import { chmod, rm } from 'node:fs/promises';
import fastify, { type FastifyInstance } from 'fastify';
import type * as z from 'zod';
import {
  limitChangeSchema,
  rollbackRequestSchema,
  swarmLimitChangeSchema,
  type FetcherStatus,
  type Generations,
  type HostSettings,
  type LimitChangeRequest,
  type Limits,
  type Rollback,
  type RollbackRequest,
  type SwarmLimitChangeRequest,
} from '../src/api/index.ts';
import { describeError } from '../src/cli/index.ts';
import { ActivationError, ConfigError } from '../src/errors.ts';
import type { Generation } from './generation-record.ts';

/** What of a fetcher can be asked on its host. */
export interface LocalApiSubject {
  status(): FetcherStatus;
  generations(): Promise<(Generation & { current: boolean })[]>;
  rollback(request: RollbackRequest): Promise<Generation>;
  describeSettings(): HostSettings;
  limits(): Limits;
  setLimits(change: LimitChangeRequest): void;
  setSwarmLimits(imageId: string, change: SwarmLimitChangeRequest): void;
}

/** The fetcher's interface for this host: HTTP on a unix socket that only its owner may use. */
export class LocalApi implements AsyncDisposable {
  readonly #server: FastifyInstance;
  readonly #socketPath: string;

  private constructor(server: FastifyInstance, socketPath: string) {
    this.#server = server;
    this.#socketPath = socketPath;
  }

  /** The caller holds the lock of the directory: a socket that is there belongs to nobody. */
  static async open(
    components: { fetcher: LocalApiSubject },
    init: { socketPath: string },
  ): Promise<LocalApi> {
    const { fetcher } = components;
    const server = fastify({ bodyLimit: 65_536, forceCloseConnections: true });
    server.get('/v1/status', (): FetcherStatus => fetcher.status());
    server.get('/v1/generations', async (): Promise<Generations> => {
      return { generations: await fetcher.generations() };
    });
    server.post('/v1/rollback', async (request): Promise<Rollback> => {
      return { generation: await fetcher.rollback(parsed(rollbackRequestSchema, request.body)) };
    });
    server.get('/v1/settings', (): HostSettings => fetcher.describeSettings());
    server.get('/v1/limits', (): Limits => fetcher.limits());
    server.patch('/v1/limits', (request): Limits => {
      fetcher.setLimits(parsed(limitChangeSchema, request.body));
      return fetcher.limits();
    });
    server.patch<{ Params: { imageId: string } }>(
      '/v1/swarms/:imageId/limits',
      (request): Limits => {
        const { imageId } = request.params;
        fetcher.setSwarmLimits(imageId, parsed(swarmLimitChangeSchema, request.body));
        return fetcher.limits();
      },
    );
    server.setErrorHandler(async (error, _request, reply) => {
      const bad = error instanceof ConfigError || error instanceof ActivationError;
      await reply.code(bad ? 400 : 500).send({ error: describeError(error) });
    });
    await rm(init.socketPath, { force: true });
    await server.listen({ path: init.socketPath });
    await chmod(init.socketPath, 0o600);
    return new LocalApi(server, init.socketPath);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
    await rm(this.#socketPath, { force: true });
  }
}

/** @throws ConfigError CONFIG_INVALID that says what is wrong */
function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new ConfigError('CONFIG_INVALID', `the request is refused: ${result.error.message}`);
}
