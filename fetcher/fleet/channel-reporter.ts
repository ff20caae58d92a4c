import type { ChannelReport } from '../../src/control/index.ts';
import type { ActivationStatus } from '../activation-types.ts';
import type { PermitBook } from './permit-book.ts';

/** What a channel is like on this host, beside what it has heard of rollouts. */
export interface ChannelFacts {
  readonly activation: Pick<ActivationStatus, 'state' | 'generation' | 'condition' | 'lastFailed'>;
  /** The image id of the newest verified release. */
  readonly newest: string | undefined;
  /** The image id of the newest release of which all is here. */
  readonly prefetched: string | undefined;
  /** Which needs of that one are not met. */
  readonly unmet: readonly string[];
  /** Why the newest release could not be brought to life, or lacks values. */
  readonly reason: string | undefined;
  /** The image ids of the app that were to be preheated, and are all here. */
  readonly preheated: readonly string[];
}

/** What a report may have. */
const mostUnmet = 64;
const mostReasonChars = 300;

export interface ChannelReporterComponents {
  readonly permits: Pick<PermitBook, 'heard' | 'acted' | 'nextNumber'>;
}

export interface ChannelReporterInit {
  readonly app: string;
  readonly channel: string;
  readonly facts: () => ChannelFacts;
}

/**
 * Tells how a channel is on this host, each time that something of it changed. It says nothing before
 * `open`, while what runs here is not known, and after `close`, when applications are stopped.
 */
export class ChannelReporter {
  readonly #components: ChannelReporterComponents;
  readonly #init: ChannelReporterInit;
  #listener: ((report: ChannelReport) => void) | undefined;
  #isOpen = false;
  #isChanged = false;
  #telling: Promise<void> | undefined;
  #told = '';

  constructor(components: ChannelReporterComponents, init: ChannelReporterInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Who is told; it is told how things are at once. */
  onChange(listener: (report: ChannelReport) => void): void {
    this.#listener = listener;
    this.#told = '';
    this.changed();
  }

  open(): void {
    this.#isOpen = true;
    this.changed();
  }

  /** Something may be another way than it was told. */
  changed(): void {
    this.#isChanged = true;
    if (this.#isOpen && this.#listener !== undefined) this.#telling ??= this.#tell();
  }

  async #tell(): Promise<void> {
    // What happens in one go is told once.
    await Promise.resolve();
    while (this.#isChanged && this.#isOpen) {
      this.#isChanged = false;
      if (JSON.stringify(this.#describe()) === this.#told) continue;
      const number = await this.#components.permits.nextNumber();
      const report = this.#describe();
      this.#told = JSON.stringify(report);
      this.#listener?.({ ...report, number });
    }
    this.#telling = undefined;
  }

  #describe(): Omit<ChannelReport, 'number'> {
    const { app, channel } = this.#init;
    const { heard, acted } = this.#components.permits;
    const facts = this.#init.facts();
    const { generation } = facts.activation;
    return {
      app,
      channel,
      epoch: heard,
      acted,
      state: reportedState(facts),
      ...(generation && { release: generation.imageId, generation: generation.number }),
      ...(facts.prefetched !== undefined && { prefetched: facts.prefetched }),
      ...(facts.unmet.length > 0 && { unmet: facts.unmet.slice(0, mostUnmet) }),
      ...(facts.reason !== undefined && { reason: facts.reason.slice(0, mostReasonChars) }),
      ...(facts.preheated.length > 0 && { preheated: [...facts.preheated] }),
    };
  }

  /** What is being told is told. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#telling;
  }
}

/**
 * What docs/rollouts.md calls the state of a host. An app that was started and has not been healthy
 * since, as after a restart of the host, is `activating` for as long as its check gives it. Who went
 * back counts so until the channel names what it went back to.
 */
export function reportedState({
  activation,
  newest,
}: Pick<ChannelFacts, 'activation' | 'newest'>): ChannelReport['state'] {
  const { state, generation, condition, lastFailed } = activation;
  if (state === 'activating') return 'activating';
  if (generation === undefined) return 'empty';
  if (state !== 'files') {
    if (condition === 'starting') return 'activating';
    if (condition !== 'well') return 'failed';
  }
  const isBack = lastFailed !== undefined && newest !== generation.imageId;
  return isBack ? 'wentBack' : 'healthy';
}
