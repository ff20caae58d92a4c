import {
  mediansOf,
  shortened,
  type BenchResult,
  type Machine,
  type Medians,
} from '../report/index.ts';
import type { Failure, WithRounds } from '../rounds/index.ts';
import type { Figures } from './figures.ts';
import type { SwarmRunRecord } from './run-once.ts';
import type { HostEnd } from './running-swarm.ts';
import { mainScenario } from './scenario.ts';

/** Who runs: a peer, of which a result needs no more. */
export interface Contender {
  readonly peer: { readonly name: string; readonly ours: boolean };
}

/** The figures of one peer in one scenario: medians of its rounds. */
export interface SwarmRun extends Medians<Figures> {
  readonly name: string;
  readonly ours: boolean;
  readonly scenario: string;
  readonly rounds: number;
  /** What no schedule can beat. */
  readonly boundSeconds: number;
  /** When each host was done, by round. */
  readonly finishes: readonly (readonly HostEnd[])[];
}

export interface Skipped {
  /** Of a peer; `swarm` when it is the whole bench. */
  readonly name: string;
  readonly reason: string;
}

export interface SwarmResult extends BenchResult {
  readonly bench: 'swarm';
  readonly machine: Machine;
  readonly runs: readonly SwarmRun[];
  /** What no schedule can beat in the main scenario, in seconds. */
  readonly bound?: number;
  /** Ours in the main scenario, in times that bound. */
  readonly overBound?: { readonly median: number; readonly last: number };
  /** How many copies left by the seed's link, of ours in the main scenario. */
  readonly seedCopies?: number;
  /** Whether our hosts were told in which rack they stand. */
  readonly racksTold: boolean;
  readonly settings: SwarmSettings;
  readonly skipped: readonly Skipped[];
  readonly failures: readonly Failure[];
}

export interface SwarmSettings {
  readonly sizeBytes: number;
  /** Of a usual link, each way, in bytes of frames. */
  readonly rateBytesPerSecond: number;
  readonly pieceSizeBytes?: number;
}

/** All rounds of a scenario. */
export interface ScenarioRounds {
  readonly scenario: string;
  readonly boundSeconds: number;
  readonly contenders: readonly WithRounds<Contender, SwarmRunRecord>[];
}

export function toRuns({ scenario, boundSeconds, contenders }: ScenarioRounds): SwarmRun[] {
  return contenders
    .filter(({ rounds }) => rounds.size > 0)
    .map(({ peer, rounds }) => {
      const records = [...rounds.values()];
      return shortened({
        name: peer.name,
        ours: peer.ours,
        scenario,
        rounds: rounds.size,
        boundSeconds,
        ...mediansOf(records.map(({ figures }) => figures)),
        finishes: records.map(({ hosts }) => hosts),
      });
    });
}

export function toResult(
  found: readonly ScenarioRounds[],
  facts: Pick<SwarmResult, 'machine' | 'racksTold' | 'settings' | 'skipped' | 'failures'>,
): SwarmResult {
  const runs = found.flatMap(toRuns);
  const ours = runs.find((run) => run.ours && run.scenario === mainScenario);
  const bound = runs.find((run) => run.scenario === mainScenario)?.boundSeconds;
  return {
    bench: 'swarm',
    machine: facts.machine,
    settings: facts.settings,
    ...(bound === undefined ? {} : { bound }),
    ...(ours === undefined
      ? {}
      : {
          overBound: { median: ours.medianOverBound, last: ours.lastOverBound },
          seedCopies: ours.seedCopies,
        }),
    racksTold: facts.racksTold,
    runs,
    skipped: facts.skipped,
    failures: facts.failures,
  };
}
