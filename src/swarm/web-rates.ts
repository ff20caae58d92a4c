/** How much the newest second counts. */
const smoothing = 0.3;

/** How fast web seeds are known to be; what was measured of one image holds for the next. */
export interface OriginPace {
  /** 0: they were never asked. */
  bytesPerSecond: number;
}

/** How fast peers and web seeds send, measured about once a second. */
export class WebRates {
  /** What all peers together send. */
  swarmBytesPerSecond = 0;
  readonly #now: () => number;
  readonly #origin: OriginPace;
  #last: { ms: number; peers: number; origin: number } | undefined;
  #wasBusy = false;

  constructor(components: { now: () => number; pace: OriginPace }) {
    this.#now = components.now;
    this.#origin = components.pace;
  }

  get originBytesPerSecond(): number {
    return this.#origin.bytesPerSecond;
  }

  /**
   * @param allBytes what came from everybody so far
   * @param originBytes what of it came from web seeds
   * @param isBusy whether web seeds owe something
   */
  sample(allBytes: number, originBytes: number, isBusy: boolean): void {
    const now = { ms: this.#now(), peers: allBytes - originBytes, origin: originBytes };
    const last = this.#last;
    this.#last = now;
    const seconds = (now.ms - (last?.ms ?? now.ms)) / 1_000;
    if (last !== undefined && seconds > 0) {
      const swarm = (now.peers - last.peers) / seconds;
      this.swarmBytesPerSecond += smoothing * (swarm - this.swarmBytesPerSecond);
      // A web seed that was not asked all the time says nothing of how fast it is.
      if (isBusy && this.#wasBusy) {
        const origin = (now.origin - last.origin) / seconds;
        this.#origin.bytesPerSecond += smoothing * (origin - this.#origin.bytesPerSecond);
      }
    }
    this.#wasBusy = isBusy;
  }
}
