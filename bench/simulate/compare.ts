import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ConfigError } from '../../src/errors.ts';
import { toDigits } from '../report/index.ts';

/** A run of the swarm bench: what real hosts needed. */
const measuredSchema = z.object({
  scenario: z.string().optional(),
  name: z.string().optional(),
  peer: z.string().optional(),
  medianSeconds: z.number().positive().optional(),
  lastSeconds: z.number().positive().optional(),
  medianHostSeconds: z.number().positive().optional(),
  lastHostSeconds: z.number().positive().optional(),
});

export interface Measured {
  readonly scenario: string;
  /** Whose run it was. */
  readonly name: string;
  readonly medianHostSeconds: number;
  readonly lastHostSeconds: number;
}

const fileSchema = z.object({ runs: z.array(z.unknown()) });

/** A run of ours. */
export interface Predicted {
  readonly name: string;
  readonly medianHostSeconds: number;
  readonly lastHostSeconds: number;
}

/** What was predicted beside what was measured. */
export interface Comparison {
  readonly scenario: string;
  /** The measured run's name. */
  readonly name: string;
  readonly figure: 'medianHostSeconds' | 'lastHostSeconds';
  readonly predictedSeconds: number;
  readonly measuredSeconds: number;
  /** By how much the prediction is above what was measured. */
  readonly differencePercent: number;
}

/**
 * Reads what the swarm bench wrote. Runs without the figures that are compared are left out.
 * @throws ConfigError when it is not such a file
 */
export async function readMeasured(path: string): Promise<Measured[]> {
  try {
    const { runs } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return runs.flatMap((run) => {
      const { data } = measuredSchema.safeParse(run);
      return data === undefined ? [] : toMeasured(data);
    });
  } catch (error) {
    throw new ConfigError('CONFIG_INVALID', `${path} is no result of the swarm bench`, {
      cause: error,
    });
  }
}

/** A run without a scenario of its own is named after it. */
function toMeasured(run: z.infer<typeof measuredSchema>): Measured[] {
  const scenario = run.scenario ?? run.name;
  const medianHostSeconds = run.medianHostSeconds ?? run.medianSeconds;
  const lastHostSeconds = run.lastHostSeconds ?? run.lastSeconds;
  if (scenario === undefined || medianHostSeconds === undefined || lastHostSeconds === undefined) {
    return [];
  }
  const name = run.peer ?? run.name ?? scenario;
  return [{ scenario, name, medianHostSeconds, lastHostSeconds }];
}

export function compare(runs: readonly Predicted[], measured: readonly Measured[]): Comparison[] {
  return measured.flatMap(({ scenario, name, ...figures }) => {
    const predicted = runs.find((run) => run.name === scenario);
    if (predicted === undefined) return [];
    return (['medianHostSeconds', 'lastHostSeconds'] as const).map((figure): Comparison => ({
      scenario,
      name,
      figure,
      predictedSeconds: predicted[figure],
      measuredSeconds: figures[figure],
      differencePercent: toDigits(100 * (predicted[figure] / figures[figure] - 1), 3),
    }));
  });
}
