import { thisMachine } from '../report/index.ts';
import { compare, type Measured } from './compare.ts';
import { growthHosts, type SimulateConfig } from './config.ts';
import { toResult, toRun, type Rounds, type SimulateResult } from './result.ts';
import { runOnce, type Figures } from './run-once.ts';
import { growth, scenarios, type Scenario } from './scenarios.ts';

export interface SimulateOptions {
  readonly signal: AbortSignal;
  /** What goes on, a line at a time. */
  readonly say: (text: string) => void;
  /** What real hosts needed, to compare with. */
  readonly measured?: readonly Measured[] | undefined;
}

interface Job {
  readonly scenario: Scenario;
  readonly hosts: number;
  readonly pieces: number;
}

/** Simulates the scenarios, each so many rounds. */
export async function runSimulate(
  config: SimulateConfig,
  { signal, say, measured }: SimulateOptions,
): Promise<SimulateResult> {
  const names = new Set([...config.scenarios, ...(measured ?? []).map(({ scenario }) => scenario)]);
  const all: Rounds[] = [];
  for (const { scenario, hosts, pieces } of jobsOf(config, names)) {
    const figures: Figures[] = [];
    for (let round = 0; round < config.rounds; round++) {
      const size = { hosts, pieces, seed: config.seed + round };
      const found = await runOnce({ scenario, size, config }, { signal });
      figures.push(found);
      say(`${scenario.name}, ${hosts} hosts, round ${round + 1}: ${describe(found)}`);
    }
    const { name, without } = scenario;
    all.push({ name, without, hosts, pieces, figures });
  }
  const machine = thisMachine();
  if (measured === undefined) return toResult(all, { machine });
  const runs = all.map((rounds) => toRun(rounds, all));
  return toResult(all, { machine, comparison: compare(runs, measured) });
}

/** What is to be run, each once, also where several scenarios need it. */
function jobsOf({ hosts, pieces }: SimulateConfig, names: ReadonlySet<string>): Job[] {
  const jobs = new Map<string, Job>();
  const add = (scenario: Scenario | undefined, count: number) => {
    if (scenario === undefined) return;
    if (scenario.without !== undefined) add(findScenario(scenario.without), count);
    const job = { scenario, hosts: count, pieces, ...scenario.fixedSize };
    const key = `${scenario.name} ${job.hosts}`;
    if (!jobs.has(key)) jobs.set(key, job);
  };
  if (names.has(growth)) {
    for (const count of growthHosts) if (count <= hosts) add(findScenario('equal'), count);
  }
  for (const name of names) add(findScenario(name), hosts);
  return [...jobs.values()];
}

const findScenario = (wanted: string): Scenario | undefined =>
  scenarios.find(({ name }) => name === wanted);

function describe(figures: Figures): string {
  const { medianOverBound, lastOverBound, events, wallSeconds } = figures;
  const rate = events / wallSeconds / 1e6;
  return `median ${medianOverBound.toFixed(3)}, last ${lastOverBound.toFixed(3)} times the bound; ${wallSeconds.toFixed(1)} s, ${rate.toFixed(2)} million events/s`;
}
