import { setTimeout as delay } from 'node:timers/promises';
import type { ProgramEvent } from './program-process.ts';
import { ProgramProcess } from './program-process.ts';

/** What is known of a transfer to one host. Sizes in bytes, times of this process's clock. */
export interface HostTransfer {
  sizeBytes: number;
  verifiedBytes: number;
  reusedBytes: number;
  receivedBytes: number;
  fromSeederBytes: number;
  startedMs: number | undefined;
  wholeMs: number | undefined;
  activeMs: number | undefined;
}

interface SwarmEvent {
  readonly imageId: string;
  readonly state: string;
  readonly sizeBytes?: number;
  readonly verifiedBytes: number;
  readonly reusedBytes: number;
  readonly receivedBytes: number;
  readonly sources: readonly { readonly peer: string; readonly receivedBytes: number }[];
}

const answerWithinMs = 15_000;

export interface HostInit {
  readonly name: string;
  readonly appPort: number;
  readonly directory: string;
  readonly args: readonly string[];
  readonly seederPort: () => number;
}

/** One host of the demo: a fetcher process and what it reports. */
export class Host implements AsyncDisposable {
  readonly name: string;
  readonly appPort: number;
  readonly directory: string;
  readonly fetcher: ProgramProcess;
  onChange: (() => void) | undefined;
  readonly #transfers = new Map<string, HostTransfer>();
  readonly #seederPort: () => number;

  constructor(init: HostInit) {
    this.name = init.name;
    this.appPort = init.appPort;
    this.directory = init.directory;
    this.#seederPort = init.seederPort;
    this.fetcher = new ProgramProcess('fetcher', ['run', ...init.args], { name: init.name });
    this.fetcher.onEvent = (event) => {
      this.#onEvent(event);
    };
  }

  transfer(imageId: string): HostTransfer {
    const known = this.#transfers.get(imageId);
    if (known !== undefined) return known;
    const fresh: HostTransfer = {
      sizeBytes: 0,
      verifiedBytes: 0,
      reusedBytes: 0,
      receivedBytes: 0,
      fromSeederBytes: 0,
      startedMs: undefined,
      wholeMs: undefined,
      activeMs: undefined,
    };
    this.#transfers.set(imageId, fresh);
    return fresh;
  }

  /** Waits until the application of this version is active here. */
  async untilActive(version: string): Promise<void> {
    const { event, message } = await this.fetcher.until(`version ${version} active`, (event) => {
      const active = event.event === 'active' && releaseOf(event)?.version === version;
      return active || event.event === 'fault';
    });
    if (event === 'fault') throw new Error(`${this.name} could not: ${String(message)}`);
  }

  /** Waits until this version was tried, failed, and was left. */
  async untilFailed(version: string): Promise<void> {
    await this.fetcher.until(`version ${version} released`, (event) => {
      return event.event === 'release' && releaseOf(event)?.version === version;
    });
    await this.fetcher.until(`version ${version} failed`, (event) => {
      return event.event === 'fault' && event.code === 'ACTIVATION_UNHEALTHY';
    });
  }

  /** What the application on this host answers; one that was just started gets some time. */
  async ask(): Promise<{ version?: string; message?: string }> {
    for (const deadlineMs = performance.now() + answerWithinMs; ; await delay(100)) {
      try {
        return await this.#askOnce();
      } catch (error) {
        if (performance.now() > deadlineMs) throw error;
      }
    }
  }

  async #askOnce(): Promise<{ version?: string; message?: string }> {
    const response = await fetch(`http://127.0.0.1:${this.appPort}/`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(5_000),
    });
    return (await response.json()) as { version?: string; message?: string };
  }

  #onEvent(event: ProgramEvent): void {
    const nowMs = performance.now();
    const imageId = releaseOf(event)?.imageId;
    if (imageId !== undefined && event.event === 'release') {
      this.transfer(imageId).startedMs = nowMs;
    }
    if (imageId !== undefined && event.event === 'fetched') this.transfer(imageId).wholeMs = nowMs;
    if (imageId !== undefined && event.event === 'active') this.transfer(imageId).activeMs = nowMs;
    if (event.event === 'swarm') this.#onSwarm(event.swarm as SwarmEvent);
    this.onChange?.();
  }

  #onSwarm(swarm: SwarmEvent): void {
    const seeder = `:${this.#seederPort()}`;
    const fromSeeder = swarm.sources.filter(({ peer }) => peer.endsWith(seeder));
    Object.assign(this.transfer(swarm.imageId), {
      sizeBytes: swarm.sizeBytes ?? 0,
      verifiedBytes: swarm.verifiedBytes,
      reusedBytes: swarm.reusedBytes,
      receivedBytes: swarm.receivedBytes,
      fromSeederBytes: fromSeeder.reduce((sum, source) => sum + source.receivedBytes, 0),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fetcher[Symbol.asyncDispose]();
  }
}

function releaseOf(event: ProgramEvent): { version: string; imageId: string } | undefined {
  return event.release as { version: string; imageId: string } | undefined;
}
