/** Between which bounds the interval moves, and what it is to achieve. */
export interface IntervalLimits {
  /** What a quiet tracker tells. */
  readonly announceIntervalMs: number;
  /** What it tells at most, however much there is to do. */
  readonly maxAnnounceIntervalMs: number;
  /** Announces a second that it would not go beyond. */
  readonly targetAnnounceRate: number;
}

/** What is told of it to hosts that fetch. */
export interface PaceInit extends IntervalLimits {
  /** What a quiet tracker tells them. */
  readonly progressIntervalMs: number;
}

/** Announces a second, and the interval that those who made them had been told. */
export interface AnnounceLoad {
  readonly announcesPerSecond: number;
  readonly toldMs: number;
}

/** An interval is this many times the one below it: so there are few that differ. */
const stepFactor = 1.25;

/**
 * The interval to tell, so that the announces that follow from it stay below the target. Peers that
 * announce r times a second, told t before, are r * t many, and told r * t / target they come at the
 * target's rate. What they were told before cancels out, so this does not swing: it gives the same
 * while old and new intervals are both in use.
 */
export function announceIntervalFor(load: AnnounceLoad, limits: IntervalLimits): number {
  const { announceIntervalMs, maxAnnounceIntervalMs, targetAnnounceRate } = limits;
  const wantedMs = (load.announcesPerSecond * load.toldMs) / targetAnnounceRate;
  let intervalMs = announceIntervalMs;
  while (intervalMs < wantedMs && intervalMs < maxAnnounceIntervalMs) {
    intervalMs = Math.ceil((intervalMs * stepFactor) / 1_000) * 1_000;
  }
  return Math.max(announceIntervalMs, Math.min(intervalMs, maxAnnounceIntervalMs));
}

/** How often the load is looked at. */
const windowMs = 1_000;

/** Measures the load, and keeps the interval that goes with it. */
export class AnnouncePace {
  readonly #limits: PaceInit;
  #intervalMs: number;
  #startMs: number | undefined;
  #announces = 0;
  #toldMs = 0;
  /** Announces a second, and the sum of what they had been told, of late. */
  #rate = 0;
  #toldRate = 0;
  #progressMs: number;

  constructor(limits: PaceInit) {
    this.#limits = limits;
    this.#intervalMs = limits.announceIntervalMs;
    this.#progressMs = limits.progressIntervalMs;
  }

  /** The interval to tell whoever announces now. */
  intervalMs(nowMs: number): number {
    this.#startMs ??= nowMs;
    if (nowMs - this.#startMs >= windowMs) this.#look(nowMs, this.#startMs);
    return this.#intervalMs;
  }

  /** The same for a host that fetches, of which operators want to hear how far it is. */
  progressIntervalMs(nowMs: number): number {
    return Math.min(this.intervalMs(nowMs), this.#progressMs);
  }

  /** What is measured, and what follows from it. */
  load(nowMs: number): { announcesPerSecond: number; intervalMs: number } {
    return { intervalMs: this.intervalMs(nowMs), announcesPerSecond: this.#rate };
  }

  /** Counts an announce of a peer that had been told `toldMs` before. */
  count(toldMs: number): void {
    this.#announces++;
    this.#toldMs += toldMs;
  }

  #look(nowMs: number, startMs: number): void {
    const seconds = (nowMs - startMs) / 1_000;
    // What was an interval ago weighs a third: a fleet that started at once comes back at once.
    const weight = 1 - Math.exp((startMs - nowMs) / this.#intervalMs);
    this.#rate += (this.#announces / seconds - this.#rate) * weight;
    this.#toldRate += (this.#toldMs / seconds - this.#toldRate) * weight;
    this.#startMs = nowMs;
    this.#announces = 0;
    this.#toldMs = 0;
    const toldMs = this.#rate === 0 ? 0 : this.#toldRate / this.#rate;
    const load = { announcesPerSecond: this.#rate, toldMs };
    this.#intervalMs = announceIntervalFor(load, this.#limits);
    const announceIntervalMs = this.#limits.progressIntervalMs;
    this.#progressMs = announceIntervalFor(load, { ...this.#limits, announceIntervalMs });
  }
}
