import { mkdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { AccessToken } from './access-token.ts';
import { AnnounceFront } from './announce-front.ts';
import { AnnouncePace } from './announce-interval.ts';
import { addAnnounceRoutes } from './announce-routes.ts';
import { Announcer } from './announcer.ts';
import { addBatchRoutes } from './batch-routes.ts';
import { resolveConfig } from './config.ts';
import type { TrackerConfig } from './config.ts';
import { storageError } from './durable-file.ts';
import { addHealthRoutes } from './health-routes.ts';
import {
  createHttpServer,
  frontLimits,
  headersTimeoutMs,
  refuseOtherMethods,
  watchRoutes,
  type RouteMethods,
} from './http-server.ts';
import { HttpAnnounces } from './http-announces.ts';
import { AuditedCalls } from './fleet/audited-calls.ts';
import { FleetOperators } from './fleet/fleet-operators.ts';
import { memberRoutes } from './fleet/member-routes.ts';
import { openFleet, type OpenedFleet } from './fleet/open-fleet.ts';
import { operatorRoutes } from './fleet/operator-routes.ts';
import { preheatRoutes } from './fleet/preheat-routes.ts';
import { rolloutRoutes } from './fleet/rollout-routes.ts';
import { settingsRoutes } from './fleet/settings-routes.ts';
import { SharedReleases } from './fleet/shared-releases.ts';
import { createLog } from './log.ts';
import { TrackerMetrics } from './metrics.ts';
import { openOnlineKey } from '../src/trust/index.ts';
import { releaseRoutes } from './release-routes.ts';
import { OriginLeases } from './origin-leases.ts';
import { ReleaseStore } from './release-store.ts';
import { Resigner } from './resigner.ts';
import { listenHttp, listenTls, listenUdp, reachableHost } from './listen.ts';
import {
  addRestRoutes,
  defaultRecords,
  defaultWrongTokens,
  LoggedCalls,
  MemoryRecords,
  Operators,
  readOperators,
  WrongTokens,
  type AdmissionInit,
  type CallObserver,
  type RestRoute,
} from './rest/index.ts';
import { leadAgain } from './store/index.ts';
import { swarmRoutes } from './swarm-routes.ts';
import { SwarmTable } from './swarm-table.ts';
import { SwarmWatches } from './swarm-watches.ts';
import { TlsServer } from './tls-server.ts';
import { addTufRoutes } from './tuf-routes.ts';
import type { UdpServer } from './udp-server.ts';

export interface TrackerComponents {
  /** Where log lines go; stderr, as JSON, if nothing else is said. */
  readonly log?: FastifyBaseLogger | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
  /** Numbers from 0 up to, not including, 1: by them peers are chosen. */
  readonly random?: (() => number) | undefined;
  /** Who is told of changes and refusals; the log, if nothing else is said. */
  readonly observer?: CallObserver | undefined;
}

/** A tracker that runs. Disposing of it ends it: requests under way are answered first. */
export interface Tracker {
  /** Where it is reached from this machine. */
  readonly url: string;
  /** Where /v1 is reached from this machine: over TLS, where it has a certificate. */
  readonly restUrl: string;
  readonly host: string;
  readonly port: number;
  /** Undefined where it answers no UDP. */
  readonly udpPort: number | undefined;
  /** The fleet whose key is in its directory, and where its control plane is reached. */
  readonly fleet: { readonly id: string; readonly addresses: readonly string[] } | undefined;
  /** The methods of each route that it serves. */
  readonly routes: RouteMethods;
  /** The file with the bearer token of the operator `admin` for /v1. */
  readonly tokenPath: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** An election that has failed is followed by another after this time. */
const electAgainMs = 1_000;

interface Parts {
  readonly config: TrackerConfig;
  readonly log: FastifyBaseLogger;
  readonly releases: ReleaseStore;
  readonly resigner: Resigner;
  readonly token: AccessToken;
  readonly operators: Operators;
  readonly observer: CallObserver;
  readonly now: () => number;
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
  const fleet = await openFleet(
    {
      log: parts.log,
      random: components.random ?? Math.random,
      releases: () => parts.releases.current?.summary.releases ?? [],
    },
    resolve(config.directory),
    config,
  );
  if (fleet !== undefined) await shareReleases(parts, fleet);
  const { app, tls } = await openServers(parts);
  let udp: UdpServer | undefined;
  try {
    const routes = await addRoutes(app, parts, tls, fleet);
    const port = await listenHttp(app, config);
    const restPort = tls === undefined ? undefined : await listenTls(tls, config);
    udp = await listenUdp(parts, config, port);
    signal?.throwIfAborted();
    return running({ app, tls, port, restPort, udp, routes, fleet }, parts, signal);
  } catch (error) {
    await Promise.all([udp?.[Symbol.asyncDispose](), tls?.[Symbol.asyncDispose](), app.close()]);
    await fleet?.resources.disposeAsync();
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
  const operators = await Operators.open({ adminToken: token, log }, directory);
  const observer = components.observer ?? new LoggedCalls({ log });
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
  return {
    ...{ config, log, releases, resigner, token, operators, observer, now },
    ...{ swarms, announcer, metrics, monotonicMs },
  };
}

/** Keeps releases the same on all trackers of the fleet, and tells hosts of new ones. */
async function shareReleases(
  { releases, log }: Parts,
  { fleet, resources }: OpenedFleet,
): Promise<void> {
  const { store, audit, watches } = fleet;
  const shared = new SharedReleases({ store, audit, releases, log });
  await shared.start();
  await shared.follow(watches);
  resources.defer(
    releases.onRelease((channels) => {
      fleet.tellNews(channels);
    }),
  );
}

interface Servers {
  readonly app: FastifyInstance;
  readonly tls: TlsServer | undefined;
}

async function openServers({ config, log, metrics }: Parts): Promise<Servers> {
  const { maxConnections, certificateLookMs: lookIntervalMs } = config;
  const app = createHttpServer({ log, metrics }, { maxConnections });
  if (config.tls === undefined) return { app, tls: undefined };
  const limits = { maxConnections, lookIntervalMs, handshakeTimeoutMs: headersTimeoutMs };
  const tls = await TlsServer.open({ server: app.server, log }, { ...config.tls, ...limits });
  return { app, tls };
}

async function addRoutes(
  app: FastifyInstance,
  parts: Parts,
  tls: TlsServer | undefined,
  opened: OpenedFleet | undefined,
): Promise<RouteMethods> {
  const { config, releases, swarms, announcer, metrics, monotonicMs } = parts;
  const announces = new HttpAnnounces({ announcer, metrics }, config);
  const acceptTls =
    tls === undefined || config.restPort !== undefined
      ? undefined
      : (socket: Socket) => {
          tls.accept(socket);
        };
  const { server } = app;
  const front = new AnnounceFront({ server, announces, metrics, acceptTls }, frontLimits);
  const watches = new SwarmWatches({ swarms, monotonicMs }, config);
  app.addHook('preClose', (done) => {
    front.close();
    watches.close();
    done();
  });
  const routes = watchRoutes(app);
  addAnnounceRoutes(app, announces);
  addBatchRoutes(app, { announcer, metrics });
  addHealthRoutes(app, { releases, metrics, blind: () => opened?.fleet.blind ?? [] });
  await addTufRoutes(app, releases);
  const shared = opened && (await openFleetOperators(parts, opened));
  const operators = shared ?? parts.operators;
  const declared = [
    ...releaseRoutes({ releases, metrics }),
    ...swarmRoutes({ swarms, watches, monotonicMs }),
    ...(opened === undefined ? [] : fleetRoutes(opened)),
    ...(shared === undefined ? [] : operatorRoutes(shared)),
  ];
  const records = new MemoryRecords({ monotonicMs }, defaultRecords);
  const wrongTokens = new WrongTokens({ monotonicMs }, defaultWrongTokens);
  const observer =
    opened === undefined
      ? parts.observer
      : new AuditedCalls({ audit: opened.fleet.audit, next: parts.observer });
  const frame = { ...parts, operators, records, wrongTokens, observer };
  await addRestRoutes(app, declared, frame, admission(config));
  // What is added now has no methods of its own.
  const own = structuredClone(routes);
  refuseOtherMethods(app, own);
  await app.ready();
  return own;
}

/** A fleet's operators are in its store; files would be those of this tracker alone. */
async function openFleetOperators(
  { config, log, token, now }: Parts,
  { fleet, resources }: OpenedFleet,
): Promise<FleetOperators> {
  const { store, audit } = fleet;
  const { operators } = await readOperators(resolve(config.directory));
  if (operators.length > 0) {
    const names = operators.map(({ name }) => name);
    log.warn(
      { names },
      'operators in files are none of the fleet: make them anew, and remove the files',
    );
  }
  return resources.use(await FleetOperators.open({ store, audit, adminToken: token, now, log }));
}

const fleetRoutes = ({ fleet }: OpenedFleet): readonly RestRoute[] => [
  ...memberRoutes(fleet),
  ...settingsRoutes(fleet.settings),
  ...rolloutRoutes({ driver: fleet.rollouts, pins: fleet.pins, clock: fleet.clock }),
  ...preheatRoutes(fleet.preheats),
];

const admission = ({ restInClear, tls, restPort }: TrackerConfig): AdmissionInit => ({
  isInsecure: restInClear,
  tls: tls && { port: restPort },
});

interface Listening {
  readonly app: FastifyInstance;
  readonly tls: TlsServer | undefined;
  readonly port: number;
  /** Where TLS has a port of its own. */
  readonly restPort: number | undefined;
  readonly routes: RouteMethods;
  readonly udp: UdpServer | undefined;
  readonly fleet: OpenedFleet | undefined;
}

function running(
  listening: Listening,
  { config, log, releases, resigner, token }: Parts,
  signal: AbortSignal | undefined,
): Tracker {
  let closed: Promise<void> | undefined;
  const ending = new AbortController();
  const resigning = resignAlone({ resigner, log }, listening.fleet, ending.signal).catch(
    (error: unknown) => {
      log.error({ err: error }, 'snapshot and timestamp are not signed again any more');
    },
  );
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
  const { port, udp, tls, restPort = port, routes, fleet: opened } = listening;
  const reachable = reachableHost(host);
  const url = `http://${reachable}:${port}`;
  return {
    url,
    restUrl: tls === undefined ? url : `https://${reachable}:${restPort}`,
    host,
    port,
    udpPort: udp?.port,
    fleet: opened && { id: opened.fleet.fleetId, addresses: opened.fleet.addresses },
    routes,
    tokenPath: token.path,
    [Symbol.asyncDispose]: close,
  };
}

/** Of several trackers one signs again: no version of a file may have two contents. */
async function resignAlone(
  { resigner, log }: Pick<Parts, 'resigner' | 'log'>,
  opened: OpenedFleet | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (opened === undefined) return await resigner.run(signal);
  await leadAgain(opened.fleet.store, 'resigner', {
    signal,
    againMs: electAgainMs,
    onElected: (elected) => resigner.run(AbortSignal.any([elected, signal])),
    onFailed: (error) => {
      log.error({ err: error }, 'who signs again can not be agreed on: it is tried again');
    },
  });
}

/** Requests under way get some time to end; then their connections are cut. */
async function closeAll(
  { app, tls, udp, fleet }: Listening,
  releases: ReleaseStore,
  graceMs: number,
): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs);
  try {
    await udp?.[Symbol.asyncDispose]();
    await Promise.all([tls?.[Symbol.asyncDispose](), app.close()]);
    await fleet?.resources.disposeAsync();
    await releases.idle();
  } finally {
    clearTimeout(timer);
  }
}
