import { chmod, rm } from 'node:fs/promises';
import fastify, { type FastifyInstance } from 'fastify';
import { encodeEvent, EventStream, heartbeat } from '../../src/api/index.ts';
import type { RunningSettings } from './running-settings.ts';

export interface SettingsApiConfig {
  /** More watchers are refused. */
  readonly maxWatchers: number;
  /** What may wait for a watcher that does not read; one that lets more wait is dropped. */
  readonly maxBufferedBytes: number;
  /** How often watchers get a sign of life. */
  readonly heartbeatMs: number;
}

export const defaultSettingsApiConfig: SettingsApiConfig = {
  maxWatchers: 64,
  maxBufferedBytes: 512 * 1024,
  heartbeatMs: 15_000,
};

/** Beside watchers: connections that ask once. */
const otherConnections = 64;
const retryMs = 1_000;

/**
 * Where an application reads its settings: HTTP on a unix socket that only the owner of the fetcher
 * may use, one for each channel. Watchers are told of a change at once, in the same turn.
 */
export class SettingsApi implements AsyncDisposable {
  readonly socketPath: string;
  readonly #running: RunningSettings;
  readonly #config: SettingsApiConfig;
  readonly #server: FastifyInstance;
  readonly #watchers = new Set<EventStream>();
  #heartbeat: NodeJS.Timeout | undefined;

  private constructor(
    running: RunningSettings,
    socketPath: string,
    config: SettingsApiConfig,
    server: FastifyInstance,
  ) {
    this.#running = running;
    this.socketPath = socketPath;
    this.#config = config;
    this.#server = server;
  }

  /** The caller holds the lock of the directory: a socket that is there belongs to nobody. */
  static async open(
    components: { readonly running: RunningSettings },
    init: { readonly socketPath: string; readonly config?: Partial<SettingsApiConfig> },
  ): Promise<SettingsApi> {
    const { running } = components;
    const server = fastify({ bodyLimit: 1_024, forceCloseConnections: true });
    const config = { ...defaultSettingsApiConfig, ...init.config };
    server.server.maxConnections = config.maxWatchers + otherConnections;
    const api = new SettingsApi(running, init.socketPath, config, server);
    api.#addRoutes();
    await rm(init.socketPath, { force: true });
    await server.listen({ path: init.socketPath });
    await chmod(init.socketPath, 0o600);
    running.onChange = (what) => {
      api.#tell(what);
    };
    return api;
  }

  /** How many are told of changes. */
  get watchers(): number {
    return this.#watchers.size;
  }

  /** Ends all watchers and removes the socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#running.onChange = undefined;
    for (const watcher of this.#watchers) watcher.end();
    this.#stopHeartbeat();
    await this.#server.close();
    await rm(this.socketPath, { force: true });
  }

  #addRoutes(): void {
    this.#server.get('/v1/settings', async (_request, reply) => {
      const document = this.#running.document();
      if (document === undefined) return reply.code(503).send(refusal('nothing was started yet'));
      return reply.send(document);
    });
    this.#server.get('/v1/settings/watch', async (request, reply) => {
      if (this.#watchers.size >= this.#config.maxWatchers) {
        const why = `${this.#watchers.size} watchers are told already; close some, or share one`;
        return reply.code(503).send(refusal(why));
      }
      reply.hijack();
      if (reply.raw.destroyed) return;
      const stream = new EventStream(reply.raw, {
        maxBufferedBytes: this.#config.maxBufferedBytes,
        retryMs,
        onClose: () => {
          this.#watchers.delete(stream);
          if (this.#watchers.size === 0) this.#stopHeartbeat();
        },
      });
      this.#add(stream, request.headers['last-event-id']);
    });
  }

  /** A new watcher is told everything, unless it has seen this revision already. */
  #add(stream: EventStream, seen: string | string[] | undefined): void {
    this.#watchers.add(stream);
    this.#heartbeat ??= setInterval(() => {
      for (const watcher of this.#watchers) watcher.write(heartbeat);
    }, this.#config.heartbeatMs).unref();
    const document = this.#running.document();
    if (document === undefined || seen === String(document.revision)) return;
    stream.write(encodeEvent('settings', document, document.revision));
  }

  #tell(what: 'generation' | 'values'): void {
    if (this.#watchers.size === 0) return;
    const data = what === 'generation' ? this.#running.document() : this.#running.values();
    if (data === undefined) return;
    const event = what === 'generation' ? 'settings' : 'change';
    const text = encodeEvent(event, data, data.revision);
    for (const watcher of this.#watchers) watcher.write(text);
  }

  #stopHeartbeat(): void {
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }
}

const refusal = (message: string) => ({ error: { code: 'SETTINGS_UNAVAILABLE', message } });
