import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

const prefix = 'starling_tracker_';

/** What the gauges are read from, at each scrape of the metrics. */
export interface MetricSources {
  readonly swarms: () => { swarms: number; seeds: number; downloaders: number };
  readonly origins: () => { askers: number; grantedBytes: number };
  /** When the first of the served metadata files expires, in milliseconds since 1970. */
  readonly releasesExpireMs: () => number | undefined;
}

export type AnnounceOutcome = 'done' | 'refused' | 'full';

/** The metrics of one tracker, in a registry of its own. */
export class TrackerMetrics {
  readonly registry = new Registry();
  readonly announces: Counter<'event' | 'outcome'>;
  readonly announceDuration: Histogram;
  readonly pushes: Counter<'outcome'>;
  readonly requests: Counter<'method' | 'route' | 'status'>;

  constructor(sources: MetricSources) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry, prefix });
    this.announces = new Counter({
      name: `${prefix}announces_total`,
      help: 'Announces by event and by what became of them.',
      labelNames: ['event', 'outcome'],
      registers,
    });
    this.announceDuration = new Histogram({
      name: `${prefix}announce_duration_seconds`,
      help: 'Time to answer an announce, from its parsed headers to its encoded answer.',
      buckets: [0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 1],
      registers,
    });
    this.pushes = new Counter({
      name: `${prefix}pushes_total`,
      help: 'Pushed releases: taken, or the code of the refusal.',
      labelNames: ['outcome'],
      registers,
    });
    this.requests = new Counter({
      name: `${prefix}http_requests_total`,
      help: 'Requests by method, route and status.',
      labelNames: ['method', 'route', 'status'],
      registers,
    });
    addGauges(registers, sources);
  }
}

function addGauges(registers: Registry[], sources: MetricSources): void {
  new Gauge({
    name: `${prefix}swarms`,
    help: 'Swarms that have peers.',
    registers,
    collect() {
      this.set(sources.swarms().swarms);
    },
  });
  new Gauge({
    name: `${prefix}peers`,
    help: 'Peers in all swarms, by role.',
    labelNames: ['role'],
    registers,
    collect() {
      const { seeds, downloaders } = sources.swarms();
      this.set({ role: 'seed' }, seeds);
      this.set({ role: 'downloader' }, downloaders);
    },
  });
  new Gauge({
    name: `${prefix}origin_askers`,
    help: 'Hosts that hold a lease to ask an origin (web seed).',
    registers,
    collect() {
      this.set(sources.origins().askers);
    },
  });
  new Gauge({
    name: `${prefix}origin_granted_bytes`,
    help: 'What hosts were granted of origins and have not given back, of all images.',
    registers,
    collect() {
      this.set(sources.origins().grantedBytes);
    },
  });
  new Gauge({
    name: `${prefix}releases_expire_timestamp_seconds`,
    help: 'When the first of the served metadata files expires; absent while there is none.',
    registers,
    collect() {
      this.reset();
      const expireMs = sources.releasesExpireMs();
      if (expireMs === undefined) this.remove();
      else this.set(expireMs / 1_000);
    },
  });
}
