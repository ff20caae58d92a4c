import type { FleetListener, Permit, ToldSettings } from '../../src/control/index.ts';
import type { EventReport } from '../event-report.ts';
import type { Fetcher } from '../fetcher.ts';
import type { Log } from '../guard.ts';
import type { PreheatImage } from './preheating.ts';

export interface FleetDutiesComponents {
  readonly fetcher: Fetcher;
  readonly log: Log;
  readonly report: EventReport;
}

/** What a fetcher does with what its fleet tells it. */
export class FleetDuties implements FleetListener {
  readonly #components: FleetDutiesComponents;

  constructor(components: FleetDutiesComponents) {
    this.#components = components;
  }

  get follows(): FleetListener['follows'] {
    return this.#components.fetcher.follows;
  }

  settingsRevisions(): Record<string, number> {
    return this.#components.fetcher.settings.keptRevisions();
  }

  onSettings(app: string, settings: ToldSettings): void {
    const { fetcher, log } = this.#components;
    const { revision, values } = settings;
    // What could not be kept is told again with the next session, since the kept revision stays behind.
    fetcher.settings.apply(app, { revision, values }).catch((error: unknown) => {
      log.error({ err: error, app, revision }, 'settings could not be taken, or kept');
    });
  }

  onPermits(permits: readonly Permit[]): void {
    this.#components.fetcher.onPermits(permits);
  }

  onPreheat(images: readonly PreheatImage[]): void {
    this.#components.fetcher.preheat(images);
  }

  onNews(): void {
    this.#components.fetcher.lookNow();
  }

  onConnected(isConnected: boolean): void {
    this.#components.report.onFleet(isConnected);
  }
}
