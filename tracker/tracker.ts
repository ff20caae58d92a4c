import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { AccessToken } from './access-token.ts';
import { AnnounceFront } from './announce-front.ts';
import { AnnouncePace } from './announce-interval.ts';
import { addAnnounceRoutes } from './announce-routes.ts';
import { Announcer } from './announcer.ts';
import { addBatchRoutes } from './batch-routes.ts';
import { requireToken } from './bearer-check.ts';
import { resolveConfig } from './config.ts';
import type { TrackerConfig } from './config.ts';
import { storageError } from './durable-file.ts';
import { addHealthRoutes } from './health-routes.ts';
import { createHttpServer, frontLimits, refuseOtherMethods, watchRoutes } from './http-server.ts';
import { HttpAnnounces } from './http-announces.ts';
import { createLog } from './log.ts';
import { TrackerMetrics } from './metrics.ts';
import { openOnlineKey } from '../src/trust/index.ts';
import { addReleaseRoutes } from './release-routes.ts';
import { OriginLeases } from './origin-leases.ts';
import { ReleaseStore } from './release-store.ts';
import { Resigner } from './resigner.ts';
import { listenHttp, listenUdp, reachableHost } from './listen.ts';
import { addSwarmRoutes } from './swarm-routes.ts';
import { SwarmTable } from './swarm-table.ts';
import { SwarmWatches } from './swarm-watches.ts';
import { addTufRoutes } from './tuf-routes.ts';
import type { UdpServer } from './udp-server.ts';

export interface TrackerComponents {
  /** Where log lines go; stderr, as JSON, if nothing else is said. */
  readonly log?: FastifyBaseLogger | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
  /** Numbers from 0 up to, not including, 1: by them peers are chosen. */
  readonly random?: (() => number) | undefined;
}

/** A tracker that runs. Disposing of it ends it: requests under way are answered first. */
export interface Tracker {
  /** Where it is reached from this machine. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Undefined where it answers no UDP. */
  readonly udpPort: number | undefined;
  /** The file with the bearer token for /v1. */
  readonly tokenPath: string;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Parts {
  readonly config: TrackerConfig;
  readonly log: FastifyBaseLogger;
  readonly releases: ReleaseStore;
  readonly resigner: Resigner;
  readonly token: AccessToken;
  readonly swarms: SwarmTable;
  readonly announcer: Announcer;
  readonly metrics: TrackerMetrics;
  readonly monotonicMs: () => number;
}

/**
 * Starts a tracker; returns when it listens.
 * @param options when `signal` aborts, the tracker ends as if it was disposed of.
 * @throws ConfigError for options, root, token file or address that can't be used.
 * @throws StorageError when its directory can't be used, or holds half a release.
 */
export async function startTracker(
  init: Partial<TrackerConfig>,
  components: TrackerComponents = {},
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Tracker> {
  const { signal } = options;
  signal?.throwIfAborted();
  const config = resolveConfig(init);
  const parts = await openParts(config, components);
  const app = await buildApp(parts);
  let udp: UdpServer | undefined;
  try {
    const port = await listenHttp(app, config);
    udp = await listenUdp(parts, config, port);
    signal?.throwIfAborted();
    return running({ app, port, udp }, parts, signal);
  } catch (error) {
    await udp?.[Symbol.asyncDispose]();
    await app.close();
    throw error;
  }
}

async function openParts(config: TrackerConfig, components: TrackerComponents): Promise<Parts> {
  const directory = resolve(config.directory);
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw storageError(error, `the directory ${directory} can't be made`);
  }
  const log = components.log ?? createLog(config.logLevel);
  const now = components.now ?? Date.now;
  const { rootPath, timestampGoodMs: timestampMs } = config;
  const online = await openOnlineKey(join(directory, 'online.key'));
  const expiry = { timestampMs, snapshotMs: 5 * timestampMs };
  const releases = await ReleaseStore.open(
    { now, log },
    { directory: join(directory, 'tuf'), rootPath, onlineKey: online.key, expiry },
  );
  const resigner = new Resigner(
    { releases, now, log },
    { everyMs: config.resignCheckMs, whenLeftMs: timestampMs / 2 },
  );
  const token = await AccessToken.open(directory);
  const random = components.random ?? Math.random;
  const swarms = new SwarmTable({ random }, config);
  const origins = new OriginLeases(config);
  const pace = new AnnouncePace(config);
  // Peers expire by a clock that nobody sets; a given clock stands for both.
  const monotonicMs = components.now ?? (() => performance.now());
  const announcer = new Announcer({ swarms, origins, pace, monotonicMs });
  const metrics = new TrackerMetrics({
    swarms: () => swarms.totals(monotonicMs()),
    load: () => pace.load(monotonicMs()),
    origins: () => origins.totals(monotonicMs()),
    releasesExpireMs: () => releases.current?.summary.expires.getTime(),
  });
  return { config, log, releases, resigner, token, swarms, announcer, metrics, monotonicMs };
}

async function buildApp(parts: Parts): Promise<FastifyInstance> {
  const { config, log, releases, token, swarms, announcer, metrics, monotonicMs } = parts;
  const app = createHttpServer({ log, metrics }, { maxConnections: config.maxConnections });
  const announces = new HttpAnnounces({ announcer, metrics }, config);
  const front = new AnnounceFront({ server: app.server, announces, metrics }, frontLimits);
  const watches = new SwarmWatches({ swarms, monotonicMs }, config);
  app.addHook('preClose', (done) => {
    front.close();
    watches.close();
    done();
  });
  const routes = watchRoutes(app);
  addAnnounceRoutes(app, announces);
  addBatchRoutes(app, { announcer, metrics });
  addHealthRoutes(app, { releases, metrics });
  await addTufRoutes(app, releases);
  await app.register((v1, _options, done) => {
    requireToken(v1, token);
    addReleaseRoutes(v1, { releases, metrics });
    addSwarmRoutes(v1, { swarms, watches, monotonicMs });
    done();
  });
  refuseOtherMethods(app, routes);
  await app.ready();
  return app;
}

interface Listening {
  readonly app: FastifyInstance;
  readonly port: number;
  readonly udp: UdpServer | undefined;
}

function running(
  listening: Listening,
  { config, log, releases, resigner, token }: Parts,
  signal: AbortSignal | undefined,
): Tracker {
  let closed: Promise<void> | undefined;
  const ending = new AbortController();
  const resigning = resigner.run(ending.signal);
  const close = () => {
    signal?.removeEventListener('abort', onAbort);
    ending.abort();
    closed ??= Promise.all([closeAll(listening, releases, config.closeGraceMs), resigning]).then(
      () => undefined,
    );
    return closed;
  };
  const onAbort = () => {
    close().catch((error: unknown) => {
      log.error({ err: error }, 'the tracker did not end cleanly');
    });
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  const { host } = config;
  const { port, udp } = listening;
  return {
    url: `http://${reachableHost(host)}:${port}`,
    host,
    port,
    udpPort: udp?.port,
    tokenPath: token.path,
    [Symbol.asyncDispose]: close,
  };
}

/** Requests under way get some time to end; then their connections are cut. */
async function closeAll(
  { app, udp }: Listening,
  releases: ReleaseStore,
  graceMs: number,
): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs);
  try {
    await udp?.[Symbol.asyncDispose]();
    await app.close();
    await releases.idle();
  } finally {
    clearTimeout(timer);
  }
}
