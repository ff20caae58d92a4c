import { formatBytes, type Output } from '../src/cli/index.ts';
import type { SwarmStatus } from '../src/swarm/index.ts';
import type { FetcherEvent } from './fetcher-parts.ts';

/** How often the state of a swarm is told while it only grows. */
const swarmEveryMs = { json: 200, text: 2_000 };

/** Tells what a fetcher does: lines for people, or one JSON object a line. */
export class EventReport {
  readonly #output: Output;
  readonly #now: () => number;
  #isInSession: boolean | undefined;
  readonly #told = new Map<string, { state: string; atMs: number }>();

  constructor(components: { output: Output; now: () => number }) {
    this.#output = components.output;
    this.#now = components.now;
  }

  onEvent(event: FetcherEvent): void {
    if (event.event === 'swarm') {
      this.#onSwarm(event.swarm);
      return;
    }
    const text = textOf(event);
    if (this.#output.json || text !== undefined) this.#output.event(event, text ?? '');
  }

  /** A session with a tracker has begun or ended; said once, until it changes. */
  onFleet(isConnected: boolean): void {
    if (isConnected === this.#isInSession) return;
    this.#isInSession = isConnected;
    this.#output.event(
      { event: 'fleet', connected: isConnected },
      isConnected ? 'in session with a tracker' : 'no tracker can be reached; what runs goes on',
    );
  }

  #onSwarm(swarm: SwarmStatus): void {
    const told = this.#told.get(swarm.imageId);
    const everyMs = this.#output.json ? swarmEveryMs.json : swarmEveryMs.text;
    const atMs = this.#now();
    if (told?.state === swarm.state && atMs - told.atMs < everyMs) return;
    this.#told.set(swarm.imageId, { state: swarm.state, atMs });
    const name = swarm.name ?? swarm.imageId;
    const total = swarm.sizeBytes ?? 0;
    const percent = total === 0 ? 0 : Math.floor((swarm.verifiedBytes / total) * 100);
    const reason = swarm.reason === undefined ? '' : ` (${swarm.reason})`;
    this.#output.event(
      { event: 'swarm', swarm },
      `${name}: ${swarm.state}${reason}, ${percent} % of ${formatBytes(total)}, ${swarm.peers} peers`,
    );
  }
}

function textOf(event: Exclude<FetcherEvent, { event: 'swarm' }>): string | undefined {
  if (event.event === 'warning') return `warning: ${event.message}`;
  if (event.event === 'settings') {
    return `${event.app}: revision ${event.revision} of its settings holds`;
  }
  const where = `${event.app}/${event.channel}`;
  switch (event.event) {
    case 'release':
      return `${where}: release ${event.release.release}, version ${event.release.version}, ${event.release.imageId}`;
    case 'fetched':
      return `${where}: fetched version ${event.release.version}, ${formatBytes(event.reusedBytes)} of it from this host`;
    case 'activating':
      return event.step.type === 'going-back'
        ? `${where}: generation ${event.step.generation} is not healthy, going back`
        : undefined;
    case 'active':
      return `${where}: version ${event.release.version} is active, as generation ${event.generation}`;
    case 'fault':
      return `${where}: ${event.state}: ${event.message} (${event.code})`;
  }
}
