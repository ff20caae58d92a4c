import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { AnnounceEvent } from './announcement.ts';
import { Tally } from './tally.ts';

const prefix = 'starling_tracker_';

/** What the gauges are read from, at each scrape of the metrics. */
export interface MetricSources {
  readonly swarms: () => { swarms: number; seeds: number; downloaders: number };
  readonly origins: () => { askers: number; grantedBytes: number };
  readonly load: () => { announcesPerSecond: number; intervalMs: number };
  /** When the first of the served metadata files expires, in milliseconds since 1970. */
  readonly releasesExpireMs: () => number | undefined;
}

export type AnnounceOutcome = 'done' | 'refused' | 'full';

/** What was answered to a datagram, or that nothing was. */
export type DatagramOutcome = 'connect' | 'announce' | 'scrape' | 'error' | 'ignored';

/** The metrics of one tracker, in a registry of its own. */
export class TrackerMetrics {
  readonly registry = new Registry();
  readonly announceDuration: Histogram;
  readonly pushes: Counter<'outcome'>;
  readonly #announces = new Tally('event', 'outcome');
  readonly #requests = new Tally('method', 'route', 'status');
  readonly #datagrams = new Tally('outcome');

  constructor(sources: MetricSources) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry, prefix });
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
    this.#addCounters(registers);
    addGauges(registers, sources);
  }

  countAnnounce(event: AnnounceEvent | 'unknown', outcome: AnnounceOutcome): void {
    this.#announces.count(`${event} ${outcome}`);
  }

  countRequest(method: string, route: string, status: number): void {
    this.#requests.count(`${method} ${route} ${status}`);
  }

  countDatagram(outcome: DatagramOutcome): void {
    this.#datagrams.count(outcome);
  }

  #addCounters(registers: Registry[]): void {
    const add = <Label extends string>(
      tally: Tally<Label>,
      said: { name: string; help: string; labelNames: Label[] },
    ) =>
      new Counter({
        ...said,
        name: `${prefix}${said.name}`,
        registers,
        collect() {
          tally.flush(this);
        },
      });
    add(this.#announces, {
      name: 'announces_total',
      help: 'Announces by event and by what became of them.',
      labelNames: ['event', 'outcome'],
    });
    add(this.#requests, {
      name: 'http_requests_total',
      help: 'Requests by method, route and status.',
      labelNames: ['method', 'route', 'status'],
    });
    add(this.#datagrams, {
      name: 'udp_datagrams_total',
      help: 'Datagrams by what they were answered with.',
      labelNames: ['outcome'],
    });
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
    name: `${prefix}announce_rate`,
    help: 'Announces a second, of late.',
    registers,
    collect() {
      this.set(sources.load().announcesPerSecond);
    },
  });
  new Gauge({
    name: `${prefix}announce_interval_seconds`,
    help: 'How often peers are told to announce, which grows with the rate of announces.',
    registers,
    collect() {
      this.set(sources.load().intervalMs / 1_000);
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
