import type { MeasuredProcess } from '../process/index.ts';
import type { HostReport, OpenSwarm, RunningHost, StageHost } from './swarm-peer.ts';

/** How one host did; kept of every run, for plots. */
export interface HostEnd {
  readonly name: string;
  /** From time zero until it had the whole image. */
  readonly wholeSeconds: number;
  /** When it came, where that was after time zero; when it came again, where it was killed. */
  readonly cameSeconds?: number;
  /** What came to it by its own report, also before it was killed, over the size of the image. */
  readonly receivedCopies?: number;
  /** Of a host that was killed: what it had verified before and had no more after, likewise. */
  readonly lostCopies?: number;
}

interface Entry {
  readonly host: StageHost;
  running: RunningHost;
  cameMs?: number;
  whole?: { readonly atMs: number; readonly tree: string };
  /** What it reported before it was killed, and what it had when it came again. */
  before?: HostReport;
  keptBytes?: number;
}

/** A swarm at work: who is there, who is done, and all processes that there ever were. */
export class RunningSwarm {
  readonly zeroMs: number;
  readonly seed: MeasuredProcess;
  readonly #swarm: OpenSwarm;
  readonly #entries = new Map<StageHost, Entry>();
  readonly #processes: Set<MeasuredProcess>;
  readonly #now: () => number;
  readonly #done = Promise.withResolvers<undefined>();
  #expected: number;

  /** @param init `expected`: how many hosts there will be in all */
  constructor(
    components: { swarm: OpenSwarm; now: () => number },
    init: { zeroMs: number; seed: MeasuredProcess; expected: number },
  ) {
    this.#swarm = components.swarm;
    this.#now = components.now;
    this.zeroMs = init.zeroMs;
    this.seed = init.seed;
    this.#expected = init.expected;
    this.#processes = new Set([...components.swarm.services, init.seed]);
    // Whoever waits for it hears of a failure.
    this.#done.promise.catch(() => undefined);
  }

  /** Resolves when all hosts have the image; rejects when one fails. */
  get done(): Promise<undefined> {
    return this.#done.promise;
  }

  get tracker(): MeasuredProcess | undefined {
    return this.#swarm.tracker;
  }

  get processes(): readonly MeasuredProcess[] {
    return [...this.#processes];
  }

  get hosts(): readonly StageHost[] {
    return [...this.#entries.keys()];
  }

  /** Who does not have the image yet, and how much of it. */
  missing(imageBytes: number): string[] {
    const entries = [...this.#entries.values()].filter(({ whole }) => whole === undefined);
    return entries.map(({ host, running }) => {
      const report = running.report?.();
      if (report === undefined) return host.name;
      return `${host.name} (${Math.floor((report.verifiedBytes / imageBytes) * 100)} %)`;
    });
  }

  get trees(): readonly string[] {
    return [...this.#entries.values()].flatMap(({ whole }) => whole?.tree ?? []);
  }

  /** Time zero, or when the last host had the image. */
  get lastMs(): number {
    const times = [...this.#entries.values()].map(({ whole }) => whole?.atMs ?? 0);
    return Math.max(this.zeroMs, ...times);
  }

  isWhole(host: StageHost): boolean {
    return this.#entries.get(host)?.whole !== undefined;
  }

  /** A host that was there at time zero. */
  add(host: StageHost, running: RunningHost): void {
    this.#follow({ host, running });
  }

  /** A host comes now. */
  come(host: StageHost): void {
    this.#follow({ host, running: this.#swarm.come(host), cameMs: this.#now() });
  }

  /** Kills a host's program, and starts it again with what it had. */
  async restart(host: StageHost): Promise<void> {
    const before = this.#entries.get(host);
    if (before === undefined || before.whole !== undefined) return;
    this.#entries.delete(host);
    await before.running.process.send('SIGKILL');
    await before.running.process.ended();
    const report = before.running.report?.();
    const cameMs = this.#now();
    const entry: Entry = { host, running: this.#swarm.come(host), cameMs };
    if (report !== undefined) entry.before = report;
    this.#follow(entry);
    const keptBytes = await entry.running.keptBytes?.();
    if (keptBytes !== undefined) entry.keptBytes = keptBytes;
  }

  ends(imageBytes: number): HostEnd[] {
    return [...this.#entries.values()].map((entry) => ({
      name: entry.host.name,
      wholeSeconds: this.#secondsOf(entry.whole?.atMs ?? NaN),
      ...(entry.cameMs === undefined ? {} : { cameSeconds: this.#secondsOf(entry.cameMs) }),
      ...reportedCopies(entry, imageBytes),
    }));
  }

  #secondsOf(atMs: number): number {
    return (atMs - this.zeroMs) / 1_000;
  }

  #follow(entry: Entry): void {
    this.#entries.set(entry.host, entry);
    this.#processes.add(entry.running.process);
    entry.running.whole.then(
      (whole) => {
        if (this.#entries.get(entry.host) !== entry) return;
        entry.whole = whole;
        if (--this.#expected === 0) this.#done.resolve(undefined);
      },
      (error: unknown) => {
        // One that was killed and came again is another entry.
        if (this.#entries.get(entry.host) === entry) this.#done.reject(error);
      },
    );
  }
}

function reportedCopies({ running, before, keptBytes }: Entry, imageBytes: number) {
  const report = running.report?.();
  if (report === undefined) return {};
  const receivedCopies = (report.receivedBytes + (before?.receivedBytes ?? 0)) / imageBytes;
  if (before === undefined || keptBytes === undefined) return { receivedCopies };
  return {
    receivedCopies,
    lostCopies: Math.max(0, before.verifiedBytes - keptBytes) / imageBytes,
  };
}
