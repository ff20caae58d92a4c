/** What can stand in the lists; between `AgeLists` and whoever holds it, nobody else touches it. */
export interface Aging {
  older: Aging;
  newer: Aging;
  lastSeenMs: number;
  /** How often it was told to announce itself: it stands in the list of those told the same. */
  intervalMs: number;
}

/** A list of those that were told the same interval, the one that was seen last at the end. */
interface AgeList {
  readonly expiryMs: number;
  /** Its neighbours are the oldest and the youngest. */
  readonly ends: Aging;
}

/**
 * Who was seen when, so that those who were silent for too long are found at once, each by what it
 * was told. There is a list for each interval: there should be few of them.
 */
export class AgeLists {
  readonly #marginMs: number;
  readonly #lists: AgeList[] = [];
  readonly #byInterval = new Map<number, AgeList>();

  /** @param marginMs one expires when it was silent for two of its intervals and this */
  constructor(marginMs: number) {
    this.#marginMs = marginMs;
  }

  /** Puts one that is in no list at the young end of its own. Time must not run backward. */
  add(one: Aging): void {
    const { ends } = this.#byInterval.get(one.intervalMs) ?? this.#open(one.intervalMs);
    one.older = ends.older;
    one.newer = ends;
    ends.older.newer = one;
    ends.older = one;
  }

  remove(one: Aging): void {
    one.older.newer = one.newer;
    one.newer.older = one.older;
  }

  /** One that has expired, if there is any. */
  expired(nowMs: number): Aging | undefined {
    for (const { expiryMs, ends } of this.#lists) {
      const oldest = ends.newer;
      if (oldest !== ends && nowMs - oldest.lastSeenMs > expiryMs) return oldest;
    }
    return undefined;
  }

  #open(intervalMs: number): AgeList {
    const ends = unlinked();
    const list = { expiryMs: 2 * intervalMs + this.#marginMs, ends };
    this.#byInterval.set(intervalMs, list);
    this.#lists.push(list);
    return list;
  }
}

/** The ends of an empty list: its own neighbours. */
function unlinked(): Aging {
  const ends = { lastSeenMs: 0, intervalMs: 0 } as Aging;
  ends.older = ends;
  ends.newer = ends;
  return ends;
}
