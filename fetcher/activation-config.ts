import type { RestartConfig } from './restart-delay.ts';

export interface ActivationConfig {
  readonly restart: RestartConfig;
  /** An app without a health check counts as healthy when it has lived for so long. */
  readonly settleMs: number;
  /** The app's output is kept up to this size, and once more as output.log.1. */
  readonly outputLimitBytes: number;
  /** How often the output's size is looked at: between two looks it may pass its limit. */
  readonly outputCheckMs: number;
  /** Whose PATH, HOME, LANG, LC_ALL, TZ and TMPDIR the app gets. */
  readonly environment: NodeJS.ProcessEnv;
}

export const defaultActivationConfig: ActivationConfig = {
  restart: { firstDelayMs: 200, maxDelayMs: 30_000, resetAfterMs: 60_000 },
  settleMs: 1_000,
  outputLimitBytes: 8 << 20,
  outputCheckMs: 1_000,
  environment: process.env,
};
