/** A run that gave no figures. */
export interface Failure {
  readonly name: string;
  readonly scenario: string;
  readonly round: number;
  readonly message: string;
}

/** The figures of one contender, by round. */
export type WithRounds<Contender, Figures> = Contender & {
  readonly rounds: ReadonlyMap<number, Figures>;
};

/** Whoever runs once a round. */
export interface Named {
  readonly peer: { readonly name: string };
}

export interface RoundsInit<Contender extends Named, Figures> {
  readonly scenario: string;
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  readonly run: (contender: Contender) => Promise<Figures>;
  readonly onRun: (contender: Contender, round: number, figures: Figures) => void;
  readonly onFailure: (failure: Failure) => void;
}

/**
 * Runs each contender once a round, in turn; each round begins with another, so that none always
 * has the same one before it. Who fails is left out of the rounds to come.
 */
export async function runRounds<Contender extends Named, Figures>(
  init: RoundsInit<Contender, Figures>,
  { signal }: { signal: AbortSignal },
): Promise<WithRounds<Contender, Figures>[]> {
  const found = init.contenders.map((contender) => ({
    contender,
    rounds: new Map<number, Figures>(),
    failed: false,
  }));
  for (let round = 0; round < init.rounds; round++) {
    const first = round % Math.max(1, found.length);
    for (const entry of [...found.slice(first), ...found.slice(0, first)]) {
      signal.throwIfAborted();
      if (entry.failed) continue;
      try {
        const figures = await init.run(entry.contender);
        entry.rounds.set(round, figures);
        init.onRun(entry.contender, round, figures);
      } catch (error) {
        signal.throwIfAborted();
        entry.failed = true;
        const message = error instanceof Error ? error.message : String(error);
        const { name } = entry.contender.peer;
        init.onFailure({ name, scenario: init.scenario, round: round + 1, message });
      }
    }
  }
  return found.map(({ contender, rounds }) => ({ ...contender, rounds }));
}
