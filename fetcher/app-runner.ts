import { join } from 'node:path';
import type { ActivationConfig } from './activation-config.ts';
import type { Generation } from './generation-record.ts';
import type { Log } from './guard.ts';
import type { Manifest } from '../src/image/index.ts';
import type { LaunchPlan } from './launch-plan.ts';
import { inheritedEnvironment, planLaunch } from './launch-plan.ts';
import { OutputLog } from './output-log.ts';
import { findProgram } from './program.ts';
import type { RunningSettings } from './settings/running-settings.ts';
import type { Launch, SupervisorStatus } from './supervisor.ts';
import { Supervisor } from './supervisor.ts';

/** A generation and how it is run here. */
export interface Candidate {
  readonly generation: Generation;
  /** The real path of its tree, which a later switch does not move. */
  readonly tree: string;
  readonly manifest: Manifest;
  readonly plan: LaunchPlan;
}

export interface AppRunnerComponents {
  readonly log: Log;
  readonly now: () => Date;
  readonly random: () => number;
  readonly running?: RunningSettings | undefined;
  readonly onChange?: (() => void) | undefined;
}

export interface AppRunnerInit {
  readonly directory: string;
  readonly config: ActivationConfig;
  /** Where the app reads its settings. */
  readonly settingsSocket?: string | undefined;
}

/** Runs the app of one generation at a time, or none when its image is files only. */
export class AppRunner {
  readonly #components: AppRunnerComponents;
  readonly #directory: string;
  readonly #config: ActivationConfig;
  readonly #settingsSocket: string | undefined;
  readonly #output: OutputLog;
  #supervisor: Supervisor | undefined;
  #filesOnly = false;

  constructor(components: AppRunnerComponents, init: AppRunnerInit) {
    this.#components = components;
    this.#directory = init.directory;
    this.#config = init.config;
    this.#settingsSocket = init.settingsSocket;
    this.#output = new OutputLog({
      path: join(init.directory, 'output.log'),
      limitBytes: init.config.outputLimitBytes,
    });
  }

  /**
   * Finds the program of a generation.
   * @returns its absolute path; undefined when the image is files only.
   * @throws ActivationError ACTIVATION_START when there is none.
   */
  async findProgram({ tree, plan }: Candidate): Promise<string | undefined> {
    const path = inheritedEnvironment(this.#config.environment).PATH ?? '';
    const name = plan.start?.[0];
    return name === undefined ? undefined : await findProgram(tree, name, path);
  }

  /**
   * Starts a generation's app, when none is running, and returns before it is healthy.
   * @throws ActivationError ACTIVATION_START when its program is missing.
   */
  async start(candidate: Candidate): Promise<void> {
    const { generation, tree, manifest, plan } = candidate;
    const program = await this.findProgram(candidate);
    this.#filesOnly = program === undefined;
    this.#components.running?.show({ generation, manifest, values: plan.values });
    if (program === undefined) {
      if (!plan.health) return;
      this.#components.log.warn(
        { generation: generation.number },
        'the image has a health check and nothing to start, so it is not probed',
      );
      return;
    }
    this.#supervisor = new Supervisor(
      { ...this.#components, output: this.#output },
      {
        ...this.#config,
        generation: generation.number,
        program,
        tree,
        ...this.#launch(candidate),
        stop: plan.stop,
        nextLaunch: this.#nextLaunch(candidate),
        recordDirectory: this.#directory,
      },
    );
    this.#supervisor.start();
  }

  /**
   * Waits until the app that was started is healthy. Files are healthy as they are.
   * @throws ActivationError ACTIVATION_START or ACTIVATION_UNHEALTHY; the signal's reason.
   */
  async untilHealthy(options: { readonly signal: AbortSignal }): Promise<void> {
    await this.#supervisor?.untilHealthy(options);
  }

  /** Stops the app, if one runs. No process of it is left when this returns. */
  async stop(): Promise<void> {
    const supervisor = this.#supervisor;
    await supervisor?.stop();
    this.#supervisor = undefined;
    this.#filesOnly = false;
  }

  /** How the app does; undefined when there is none. */
  status(): SupervisorStatus | undefined {
    return this.#supervisor?.status();
  }

  /** Whether what was started has nothing to run. */
  get filesOnly(): boolean {
    return this.#filesOnly;
  }

  #launch(candidate: Candidate): Launch {
    const { start, health } = candidate.plan;
    return { arguments: start?.slice(1) ?? [], environment: this.#environment(candidate), health };
  }

  /** Each start has the newest values; the program stays the one that was found. */
  #nextLaunch(candidate: Candidate): () => Launch {
    const { running, log } = this.#components;
    let { plan } = candidate;
    return () => {
      try {
        if (running !== undefined) plan = planLaunch(candidate.manifest, running);
      } catch (error) {
        log.error({ err: error }, 'the app is started with the values that it had before');
      }
      return this.#launch({ ...candidate, plan });
    };
  }

  #environment({ generation, plan }: Candidate): Record<string, string> {
    const socket = this.#settingsSocket;
    return {
      ...inheritedEnvironment(this.#config.environment),
      ...plan.environment,
      STARLING_APP: generation.app,
      STARLING_CHANNEL: generation.channel,
      STARLING_IMAGE: generation.imageId,
      STARLING_GENERATION: String(generation.number),
      STARLING_VERSION: generation.version,
      ...(socket === undefined ? {} : { STARLING_SETTINGS_SOCKET: socket }),
    };
  }
}
