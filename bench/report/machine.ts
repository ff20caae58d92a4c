import { availableParallelism, cpus } from 'node:os';

/** On what a bench ran. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly node: string;
}

export const thisMachine = (): Machine => ({
  cores: availableParallelism(),
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  node: process.version,
});
