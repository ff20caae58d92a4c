import { setTimeout as sleep } from 'node:timers/promises';
import { ActivationError } from '../src/errors.ts';
import { abortable } from './abortable.ts';
import type { AppProcessInit, Exit } from './app-process.ts';
import { AppProcess } from './app-process.ts';
import type { Log } from './guard.ts';
import { probeHealth } from './health-check.ts';
import type { HealthPlan } from './launch-plan.ts';
import type { OutputLog } from './output-log.ts';
import type { RestartConfig } from './restart-delay.ts';
import { restartDelayMs } from './restart-delay.ts';

export interface SupervisorComponents {
  readonly log: Log;
  readonly output: OutputLog;
  readonly now: () => Date;
  /** A number from 0 to 1, exclusive. */
  readonly random: () => number;
  /** The condition of the app is another one. */
  readonly onChange?: (() => void) | undefined;
}

/** What may be another with each start of an app. */
export type Launch = Pick<SupervisorInit, 'arguments' | 'environment' | 'health'>;

export interface SupervisorInit extends AppProcessInit {
  readonly health: HealthPlan | undefined;
  readonly restart: RestartConfig;
  /** An app without a health check is healthy when it has lived for so long. */
  readonly settleMs: number;
  /** How often the size of the output is looked at. */
  readonly outputCheckMs: number;
  /** What the next start uses; without it each is as the first one. */
  readonly nextLaunch?: () => Launch;
}

/** What the last probe said. */
export interface HealthReport {
  readonly ok: boolean;
  readonly detail: string;
  readonly at: Date;
  /** How many probes in a row said the same. */
  readonly inARow: number;
}

/**
 * How an app does. `starting`: it was not healthy since it was started, and still has time for that.
 * `ill`: it has ended, misses the deadline of its check, or fails it again and again.
 */
export type AppCondition = 'starting' | 'well' | 'ill';

/** So many probes in a row make an app ill that was well: one is missed under load. */
const missesOfIll = 3;

export interface SupervisorStatus {
  readonly condition: AppCondition;
  readonly state: 'starting' | 'running' | 'restarting' | 'stopped';
  readonly since: Date;
  readonly pid: number | undefined;
  /** How often the app was started again after it had ended by itself. */
  readonly restarts: number;
  /** How the app last ended by itself. */
  readonly lastExit: string | undefined;
  readonly health: HealthReport | undefined;
}

/**
 * Keeps the app of one generation running: starts it, starts it again when it ends, watches its
 * health, and stops it for good. Bad health is reported and is no reason for a restart: a restart
 * cures few illnesses and turns a slow app into one that is down.
 */
export class Supervisor {
  readonly #components: SupervisorComponents;
  readonly #init: SupervisorInit;
  readonly #stopping = new AbortController();
  readonly #healthy = Promise.withResolvers<undefined>();
  #running: Promise<void> | undefined;
  #app: AppProcess | undefined;
  #state: SupervisorStatus['state'] = 'starting';
  #condition: AppCondition = 'starting';
  #startedAtMs = 0;
  #since: Date;
  #restarts = 0;
  #lastExit: string | undefined;
  #health: HealthReport | undefined;

  constructor(components: SupervisorComponents, init: SupervisorInit) {
    this.#components = components;
    this.#init = init;
    this.#since = components.now();
    // Nobody waits for the health of a generation that was healthy before.
    this.#healthy.promise.catch(() => undefined);
  }

  /** Starts the app and keeps it running until it is stopped. */
  start(): void {
    this.#startedAtMs = this.#components.now().getTime();
    this.#running ??= this.#supervise();
  }

  /**
   * Waits until the app is healthy: so many probes in a row have passed as its check asks for; or,
   * without a check, it has lived for the settle time. An app with a check that ends before is
   * started again until the deadline, as it may wait for an endpoint that is not there yet; one
   * without a check fails at once, as nothing could tell later that it works.
   * @throws ActivationError ACTIVATION_START when it does not stay up, ACTIVATION_UNHEALTHY when it
   *   is up at the deadline and its check does not pass; the signal's reason.
   */
  async untilHealthy(options: { readonly signal: AbortSignal }): Promise<void> {
    const deadlineMs = this.#init.health?.deadlineMs;
    const timer =
      deadlineMs === undefined
        ? undefined
        : setTimeout(() => {
            this.#healthy.reject(this.#missedDeadline(deadlineMs));
          }, deadlineMs);
    try {
      await abortable(this.#healthy.promise, options.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Stops the app for good. No process of it is left when this returns. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#setState('stopped');
  }

  status(): SupervisorStatus {
    return {
      condition: this.#condition,
      state: this.#state,
      since: this.#since,
      pid: this.#app?.pid,
      restarts: this.#restarts,
      lastExit: this.#lastExit,
      health: this.#health,
    };
  }

  /** The one loop: it fails for nothing, so that an app is never left alone. */
  async #supervise(): Promise<void> {
    const stop = this.#stopping.signal;
    const { log, now, random } = this.#components;
    const { generation, restart } = this.#init;
    for (let attempt = 0; !stop.aborted; attempt++) {
      const startedAt = now().getTime();
      const end = await this.#runOnce();
      if (stop.aborted) return;
      this.#lastExit = end;
      if (this.#init.health === undefined) this.#healthy.reject(this.#startError());
      if (this.#condition === 'well' || this.#isLate(this.#init.health)) this.#setCondition('ill');
      if (now().getTime() - startedAt >= restart.resetAfterMs) attempt = 0;
      const delayMs = restartDelayMs(attempt, random(), restart);
      log.warn({ generation, end, delayMs }, 'the app ended; it is started again');
      this.#setState('restarting');
      await sleep(delayMs, undefined, { signal: stop }).catch(() => undefined);
      if (!stop.aborted) this.#restarts++;
    }
  }

  /** Runs the app once. @returns how it ended. */
  async #runOnce(): Promise<string> {
    const { log } = this.#components;
    const { generation } = this.#init;
    const ended = new AbortController();
    const stop = this.#stopping.signal;
    try {
      const init = { ...this.#init, ...this.#init.nextLaunch?.() };
      const app = await AppProcess.start(this.#components, init);
      this.#app = app;
      this.#setState('running');
      log.info({ generation, pid: app.pid }, 'the app was started');
      const signal = AbortSignal.any([stop, ended.signal]);
      const watching = Promise.all([
        this.#watchHealth(app, init.health, signal),
        this.#watchOutput(signal),
      ]);
      const exit = await abortable(app.exited, stop).catch(() => undefined);
      ended.abort();
      await watching;
      this.#health = undefined;
      await this.#end(app);
      return exit ? describeExit(exit) : 'stopped';
    } catch (error) {
      log.error({ err: error, generation }, 'the app can not be started or ended');
      return `can't be started: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      ended.abort();
      this.#app = undefined;
    }
  }

  /** Another app must not start beside one that still runs, so a fault here is tried again. */
  async #end(app: AppProcess): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await app.end();
        return;
      } catch (error) {
        if (tries === 20) throw error;
        this.#components.log.error({ err: error, pid: app.pid }, 'the app can not be ended yet');
        await sleep(500);
      }
    }
  }

  async #watchHealth(
    app: AppProcess,
    health: HealthPlan | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { settleMs, tree } = this.#init;
    try {
      if (health === undefined) {
        await sleep(settleMs, undefined, { signal });
        this.#setCondition('well');
        this.#healthy.resolve(undefined);
        return;
      }
      for (;;) {
        const result = await probeHealth(health, { tree, environment: app.environment, signal });
        const last = this.#health;
        const inARow = last?.ok === result.ok ? last.inARow + 1 : 1;
        this.#health = { ...result, at: this.#components.now(), inARow };
        this.#judge(health, this.#health);
        if (last?.ok !== result.ok) {
          this.#components.log.info({ generation: this.#init.generation, ...result }, 'health');
        }
        await sleep(health.intervalMs, undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted) this.#components.log.error({ err: error }, 'health is no longer probed');
    }
  }

  #judge(health: HealthPlan, { ok, inARow }: HealthReport): void {
    if (ok) {
      if (inARow < health.successes) return;
      this.#setCondition('well');
      this.#healthy.resolve(undefined);
    } else if (this.#condition === 'well' ? inARow >= missesOfIll : this.#isLate(health)) {
      this.#setCondition('ill');
    }
  }

  /** Whether an app should be healthy by now. Nothing can tell that of one without a check that ended. */
  #isLate(health: HealthPlan | undefined): boolean {
    if (health === undefined) return true;
    return this.#components.now().getTime() - this.#startedAtMs >= health.deadlineMs;
  }

  async #watchOutput(signal: AbortSignal): Promise<void> {
    const { log, output } = this.#components;
    while (!signal.aborted) {
      await sleep(this.#init.outputCheckMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await output.rotate().catch((error: unknown) => {
        log.error({ err: error, path: output.path }, 'the output of the app can not be bounded');
      });
    }
  }

  #setCondition(condition: AppCondition): void {
    if (condition === this.#condition) return;
    this.#condition = condition;
    this.#components.onChange?.();
  }

  #setState(state: SupervisorStatus['state']): void {
    if (state !== this.#state) this.#since = this.#components.now();
    this.#state = state;
  }

  #startError(): ActivationError {
    return new ActivationError(
      'ACTIVATION_START',
      `Generation ${this.#init.generation} does not stay up: its app ${this.#lastExit ?? 'was not started'}. Look at ${this.#components.output.path}.`,
      { evidence: { generation: this.#init.generation, lastExit: this.#lastExit } },
    );
  }

  #missedDeadline(deadlineMs: number): ActivationError {
    const report = this.#health;
    if (!this.#app) return this.#startError();
    const seen = report ? `the last probe: ${report.detail}` : 'no probe has ended';
    const restarts = this.#restarts > 0 ? `, started again ${this.#restarts} times` : '';
    return new ActivationError(
      'ACTIVATION_UNHEALTHY',
      `Generation ${this.#init.generation} was not healthy within ${deadlineMs} ms${restarts}; ${seen}.`,
      { evidence: { generation: this.#init.generation, deadlineMs, health: report } },
    );
  }
}

function describeExit(exit: Exit): string {
  return exit.signal ? `was ended by ${exit.signal}` : `ended with exit code ${exit.code ?? '?'}`;
}
