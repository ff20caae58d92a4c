import type { HostReport, HostView, Permit } from '../../src/policy/index.ts';

/** What comes of an activation; `never`: nothing, it hangs. `nothing`: it can't even go back. */
export interface Fate {
  readonly takesMs: number;
  readonly outcome: 'healthy' | 'wentBack' | 'failed' | 'never' | 'nothing';
}

const noticedAfterMs = 2_000;

/** A host that does what it is told as docs/rollouts.md has it. Its memory outlasts its crashes. */
export class SimulatedHost {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** By how much its idea of fleet time is wrong. */
  readonly skewMs: number;
  fate: Fate = { takesMs: 1_000, outcome: 'healthy' };
  prefetchedAtMs = 0;
  /** Values that the release needs, and that it has not got. */
  lacks: readonly string[] | undefined;
  downSinceMs: number | undefined;
  isPresent = true;
  /** What was under way to it or from it when it left does not reach the next life. */
  lives = 1;
  pin: string | undefined;
  isHeld = false;
  release: string | undefined;
  state: HostReport['state'];
  /** Whether a rollout took it down: it was available when it began what is not over yet. */
  isTakenDown = false;
  /** When its last move ended well. */
  healthyAtMs = 0;
  /** When it began to activate, and when to go back. */
  readonly begun: number[] = [];
  readonly wentBack: number[] = [];
  readonly #isFirstRelease: boolean;
  #before: string | undefined;
  #heard = 0;
  #acted = 0;
  #number = 0;
  #doneAtMs = Infinity;
  #outcome: Fate['outcome'] = 'healthy';

  constructor(init: {
    readonly id: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly release: string | undefined;
    readonly skewMs: number;
  }) {
    this.id = init.id;
    this.labels = init.labels;
    this.release = init.release;
    this.skewMs = init.skewMs;
    this.#isFirstRelease = init.release === undefined;
    this.state = init.release === undefined ? 'empty' : 'healthy';
  }

  get isUp(): boolean {
    return this.downSinceMs === undefined;
  }

  hear(permit: Permit, nowMs: number): void {
    if (permit.epoch < this.#heard) return;
    this.#heard = permit.epoch;
    if (permit.action === 'hold' || permit.epoch <= this.#acted) return;
    if (permit.action === 'goBack') {
      this.#acted = permit.epoch;
      if (this.release === permit.release) this.#goBack(nowMs);
    } else if (nowMs + this.skewMs < permit.validUntilMs && this.state !== 'activating') {
      this.#acted = permit.epoch;
      if (this.release !== permit.release || this.state !== 'healthy') {
        this.#activate(permit.release, nowMs);
      }
    }
  }

  /** Goes on with what it does. */
  live(nowMs: number): void {
    if (this.state !== 'activating' || nowMs < this.#doneAtMs) return;
    if (this.#outcome === 'never') return;
    if (this.#outcome === 'failed') {
      this.state = 'failed';
      return;
    }
    if (this.#outcome === 'nothing') {
      this.release = undefined;
      this.state = 'empty';
      this.isTakenDown &&= !this.isAvailable;
      return;
    }
    if (this.#outcome === 'wentBack') this.release = this.#before;
    this.state = this.release === undefined ? 'empty' : this.#outcome;
    this.isTakenDown = false;
    this.healthyAtMs = nowMs;
  }

  /** Whether it does what it did before the rollout, or more; one that runs nothing does on a first release. */
  get isAvailable(): boolean {
    if (this.state === 'empty') return this.#isFirstRelease;
    return this.state !== 'failed' && this.state !== 'activating';
  }

  /** Its app fails by itself. */
  fallSick(): void {
    if (this.state === 'healthy') this.state = 'failed';
  }

  report(nowMs: number): HostReport {
    return {
      number: ++this.#number,
      epoch: this.#heard,
      acted: this.#acted,
      release: this.release,
      state: this.state,
      isPrefetched: nowMs >= this.prefetchedAtMs,
      ...(this.lacks === undefined ? {} : { unmet: this.lacks, reason: 'it lacks values' }),
    };
  }

  /** It leaves the fleet; when it comes back it is a new machine of the same name. */
  leave(): void {
    this.isPresent = false;
    this.lives += 1;
    this.release = undefined;
    this.state = 'empty';
    this.isTakenDown = false;
  }

  /** As a tracker sees it, that notices after a while that it does not hear it. */
  view(report: HostReport | undefined, nowMs: number): HostView {
    const isMissed = this.downSinceMs !== undefined && nowMs >= this.downSinceMs + noticedAfterMs;
    return {
      id: this.id,
      labels: this.labels,
      pin: this.pin,
      isHeld: this.isHeld,
      unreachableSinceMs: isMissed ? this.downSinceMs : undefined,
      report,
    };
  }

  #activate(release: string, nowMs: number): void {
    this.#takeDown();
    this.begun.push(nowMs);
    if (this.release !== release) this.#before = this.release;
    this.release = release;
    this.#outcome = this.fate.outcome;
    this.#doneAtMs = nowMs + this.fate.takesMs;
  }

  #goBack(nowMs: number): void {
    this.#takeDown();
    this.wentBack.push(nowMs);
    this.release = this.#before;
    this.#outcome = 'healthy';
    this.#doneAtMs = nowMs + this.fate.takesMs;
  }

  #takeDown(): void {
    if (this.isAvailable) this.isTakenDown = true;
    this.state = 'activating';
  }
}
