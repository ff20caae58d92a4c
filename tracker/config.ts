import * as z from 'zod';
import { ConfigError } from '../src/errors.ts';

const milliseconds = z.int().min(1).max(86_400_000);

const configSchema = z.strictObject({
  /** The address to listen at; `::` is every address, IPv4 as well. */
  host: z.string().min(1).max(255),
  /** The TCP port; at 0 the system gives a free one. */
  port: z.int().min(0).max(65_535),
  /** Whether it answers UDP (BEP 15) as well. */
  udp: z.boolean(),
  /** The UDP port; that of TCP if nothing else is said. */
  udpPort: z.int().min(0).max(65_535).optional(),
  /** Where the tracker keeps its root, releases and token. Made when missing. */
  directory: z.string().min(1),
  /** The pinned root.json. Needed at the first start, which keeps it; later it must be the same. */
  rootPath: z.string().min(1).optional(),
  /** The certificate and key, in PEM, by which /v1 is served over TLS. */
  tls: z.strictObject({ certPath: z.string().min(1), keyPath: z.string().min(1) }).optional(),
  /** A port of its own for TLS; else it is spoken at the port of HTTP. */
  restPort: z.int().min(0).max(65_535).optional(),
  /** Whether /v1 takes tokens in the clear from other machines. */
  restInClear: z.boolean(),
  /** How often the certificate is looked at; a change is used after two looks. */
  certificateLookMs: milliseconds,
  /** The control plane of the fleet whose key is in the directory; without a key there is none. */
  control: z.strictObject({
    host: z.string().min(1).max(255),
    /** The TCP port; at 0 the system gives a free one. */
    port: z.int().min(0).max(65_535),
    /** Multiaddrs that hosts are told instead of this machine's. */
    announce: z.array(z.string().min(1).max(300)).max(8).optional(),
    /** How long credentials are good. */
    credentialMs: z
      .int()
      .min(10_000)
      .max(30 * 86_400_000),
  }),
  /** Where the fleet's hard state is: `sqlite:PATH` or `etcd://…`; a file in the directory else. */
  store: z.string().min(1).max(2_000).optional(),
  /** How often peers are told to announce themselves, while there is little to do. */
  announceIntervalMs: milliseconds,
  /** How often at least, when there is much to do; never less often than the above. */
  maxAnnounceIntervalMs: milliseconds,
  /** How often hosts of the fleet report while they fetch, while there is little to do. */
  progressIntervalMs: milliseconds,
  /** Announces a second beyond which peers are told a longer interval. */
  targetAnnounceRate: z.number().min(0.1).max(1e6),
  /** More often than this they shall not, whatever happens. */
  minAnnounceIntervalMs: milliseconds,
  /** A peer is forgotten when it was silent for two of the intervals it was told and this. */
  peerExpiryMarginMs: milliseconds,
  /** How many peers an announce gets that does not say how many it wants. */
  peersPerAnnounce: z.int().min(0).max(200),
  /** How many peers an announce gets at most. */
  maxPeersPerAnnounce: z.int().min(0).max(200),
  /** Swarms, and peers in all of them; what goes beyond is refused until others leave. */
  maxSwarms: z.int().min(1),
  maxPeers: z.int().min(1),
  /** Open connections; the system refuses those beyond. */
  maxConnections: z.int().min(1),
  /** How many hosts may ask the origin (a web seed) of an image at a time. */
  originAskers: z.int().min(0).max(1_000),
  /** What all hosts together may take from the origin of an image: copies of it, or bytes. */
  originBudget: z.union([
    z.strictObject({ copies: z.number().min(0).max(1e6) }),
    z.strictObject({ bytes: z.int().min(0) }),
  ]),
  /** After so long the lease of a silent host is over; hosts are told half of it. */
  originLeaseMs: z.int().min(2_000).max(86_400_000),
  /** How often who watches a swarm is told what has changed. */
  watchIntervalMs: milliseconds,
  /** After so long without news it gets a sign of life; connections are closed after 60 s of silence. */
  watchHeartbeatMs: milliseconds.max(30_000),
  /** What may wait for a watcher that does not read before it is dropped. */
  watchBufferBytes: z.int().min(1),
  /** How long timestamps that the tracker's own key signs are good; snapshots five times as long. */
  timestampGoodMs: z
    .int()
    .min(1_000)
    .max(365 * 86_400_000),
  /** How often it looks whether they must be signed again: when half of their time is over. */
  resignCheckMs: milliseconds,
  /** How long requests under way may take to end when the tracker is stopped. */
  closeGraceMs: milliseconds,
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
});

export type TrackerConfig = z.output<typeof configSchema>;

export const defaultConfig: TrackerConfig = {
  host: '127.0.0.1',
  port: 7070,
  udp: true,
  directory: 'tracker-data',
  restInClear: false,
  certificateLookMs: 2_000,
  control: { host: '127.0.0.1', port: 7071, credentialMs: 3_600_000 },
  announceIntervalMs: 30_000,
  maxAnnounceIntervalMs: 900_000,
  progressIntervalMs: 2_000,
  targetAnnounceRate: 5_000,
  minAnnounceIntervalMs: 5_000,
  peerExpiryMarginMs: 10_000,
  peersPerAnnounce: 50,
  maxPeersPerAnnounce: 200,
  maxSwarms: 20_000,
  maxPeers: 500_000,
  maxConnections: 16_384,
  originAskers: 3,
  originBudget: { copies: 1.5 },
  originLeaseMs: 30_000,
  watchIntervalMs: 1_000,
  watchHeartbeatMs: 15_000,
  watchBufferBytes: 1 << 20,
  timestampGoodMs: 3 * 86_400_000,
  resignCheckMs: 600_000,
  closeGraceMs: 5_000,
  logLevel: 'info',
};

/**
 * The whole configuration: what is given, and the defaults for the rest.
 * @throws ConfigError CONFIG_INVALID that names each option that can't be used.
 */
export function resolveConfig(init: Partial<TrackerConfig>): TrackerConfig {
  const given = Object.entries(init).filter(([, value]) => value !== undefined);
  const result = configSchema.safeParse({ ...defaultConfig, ...Object.fromEntries(given) });
  if (result.success) return consistent(result.data);
  const faults = result.error.issues.map(
    (issue) => `${issue.path.map(String).join('.')}: ${issue.message}`,
  );
  throw new ConfigError('CONFIG_INVALID', `the tracker can't run so: ${faults.join('; ')}`, {
    evidence: { faults },
  });
}

function consistent(config: TrackerConfig): TrackerConfig {
  if (config.restPort === undefined || config.tls !== undefined) return config;
  const message = '--rest-port is for TLS: give --tls-cert and --tls-key too';
  throw new ConfigError('CONFIG_INVALID', message);
}
