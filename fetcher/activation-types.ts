import type { Durability, Manifest } from '../src/image/index.ts';
import type { ActivationConfig } from './activation-config.ts';
import type { Generation } from './generation-record.ts';
import type { Log } from './guard.ts';
import type { Supplies } from './needs.ts';
import type { RunningSettings } from './settings/running-settings.ts';
import type { AppCondition, HealthReport } from './supervisor.ts';

export interface ActivationComponents {
  readonly durability: Durability;
  readonly log: Log;
  readonly now: () => Date;
  /** A number from 0 to 1, exclusive. */
  readonly random: () => number;
  /** Is told what is started, and has the newest values for each start of its app. */
  readonly running?: RunningSettings;
  /** What status() says of the generation, or of how its app does, may be something else. */
  readonly onChange?: (() => void) | undefined;
}

export interface ActivationInit {
  /** Where the generations, the link `current` and the output lie; made when it is missing. */
  readonly directory: string;
  readonly app: string;
  readonly channel: string;
  /** Values for what manifests need, by name. */
  readonly supplies: Supplies;
  /** Where the app reads its settings. */
  readonly settingsSocket?: string | undefined;
  /** How many generations prune leaves, beside the current one and the one to go back to. */
  readonly keepGenerations: number;
  readonly config?: Partial<ActivationConfig>;
}

export interface ActivatableImage {
  readonly imageId: string;
  /** Absolute path of the verified tree. */
  readonly tree: string;
  readonly manifest: Manifest;
  readonly release: number;
  readonly version: string;
}

export interface ActivationProgress {
  readonly type: 'written' | 'stopping' | 'switched' | 'healthy' | 'going-back';
  readonly generation: number;
}

export interface ActivationOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (event: ActivationProgress) => void;
  /**
   * Asked when all is ready and nothing was touched, while status() says `activating` already: who is
   * told that it began must not see that nothing goes on. When it throws nothing is touched.
   */
  readonly begin?: (() => Promise<void>) | undefined;
}

export interface ActivationStatus {
  /** `files`: the current image has nothing to start. `stopped`: it has, and does not run. */
  readonly state:
    'empty' | 'activating' | 'running' | 'restarting' | 'files' | 'stopped' | 'starting';
  /** The current generation; while activating the one that is tried. */
  readonly generation: Generation | undefined;
  /** How the app of the current generation does; undefined: none is run. */
  readonly condition: AppCondition | undefined;
  /** The newest generation of all, when it failed. */
  readonly lastFailed: Generation | undefined;
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly lastExit: string | undefined;
  readonly health: HealthReport | undefined;
  readonly since: Date;
}

/** What open found and mended. */
export interface OpenReport {
  /** Names of half made generations and temporary files that were removed. */
  readonly removed: readonly string[];
  /** The generation whose processes were left by a killed fetcher and were ended. */
  readonly endedStale: number | undefined;
  /** The generation that was current and is not any more, as it failed. */
  readonly wentBackFrom: number | undefined;
  readonly current: Generation | undefined;
}
