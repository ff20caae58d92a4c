import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Log } from './guard.ts';
import { Guard } from './guard.ts';
import type { StopPlan } from './launch-plan.ts';
import type { OutputLog } from './output-log.ts';
import { removeProcessRecord, writeProcessRecord } from './process-record.ts';
import type { ProcessIdentity } from './process-table.ts';
import { endProcesses, readBootId, readProcessStat, runVariable } from './process-table.ts';

/** How a process ended: with an exit code, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface AppProcessInit {
  readonly generation: number;
  /** Absolute path of the program. */
  readonly program: string;
  readonly arguments: readonly string[];
  /** The working directory: the real path of the image's tree. */
  readonly tree: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly stop: StopPlan;
  /** Where process.json lies. */
  readonly recordDirectory: string;
}

/**
 * What every app is started by: it waits for a word before it becomes the app, so that the record
 * is written and the guard is there first. If the fetcher dies before, it ends without one.
 */
const launcher = 'read -r word <&3 && [ "$word" = go ] && exec 3<&- && exec "$@"';

/**
 * One running app: a process group and session of its own, whose output goes to the log, which has
 * a record for the next fetcher and a guard for the case that this one dies.
 */
export class AppProcess {
  readonly pid: number;
  /** What the app was started with. */
  readonly environment: Readonly<Record<string, string>>;
  /** Fulfilled when the process that was started has ended; others of its group may live on. */
  readonly exited: Promise<Exit>;
  readonly #log: Log;
  readonly #init: AppProcessInit;
  readonly #child: ChildProcess;
  readonly #identity: ProcessIdentity;
  #guard: Guard | undefined;
  #ending: Promise<void> | undefined;

  private constructor(log: Log, init: AppProcessInit, child: ChildProcess, started: Started) {
    this.pid = started.identity.pid;
    this.environment = started.environment;
    this.exited = exitOf(child);
    this.#log = log;
    this.#init = init;
    this.#child = child;
    this.#identity = started.identity;
  }

  /**
   * Starts an app.
   * @throws Error when the system can't start a process or its record can't be written.
   */
  static async start(
    components: { readonly log: Log; readonly output: OutputLog },
    init: AppProcessInit,
  ): Promise<AppProcess> {
    const run = randomUUID();
    const bootId = await readBootId();
    const environment = { ...init.environment, [runVariable]: run };
    await using output = await components.output.open();
    const child = spawn(
      '/bin/sh',
      ['-c', launcher, 'starling-launch', init.program, ...init.arguments],
      {
        cwd: init.tree,
        env: environment,
        detached: true,
        stdio: ['ignore', output.fd, output.fd, 'pipe'],
      },
    );
    const word = child.stdio[3] as Duplex;
    // That the pipe breaks means that the process has ended, which its exit tells too.
    word.on('error', () => undefined);
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    // A process that has ended stays in the table until Node has told so.
    const startTime = (await readProcessStat(pid))?.startTime ?? 0;
    const identity = { pid, startTime, bootId, run };
    const app = new AppProcess(components.log, init, child, { identity, environment });
    try {
      await app.#makeSafe();
    } catch (error) {
      await app.end();
      throw error;
    }
    word.end('go\n', () => word.destroy());
    return app;
  }

  /**
   * Ends the app and all that it started: its stop signal, its grace, SIGKILL. No process is left
   * when this returns, save one that waits for a device, which is logged.
   * @throws Error when the processes can't be listed; call it again.
   */
  async end(): Promise<void> {
    this.#ending ??= this.#end().catch((error: unknown) => {
      this.#ending = undefined;
      throw error;
    });
    await this.#ending;
  }

  async #makeSafe(): Promise<void> {
    const { generation, stop, recordDirectory } = this.#init;
    await writeProcessRecord(recordDirectory, {
      ...this.#identity,
      generation,
      stopSignal: stop.signal,
      graceMs: stop.graceMs,
    });
    this.#guard = await Guard.start({ log: this.#log }, { identity: this.#identity, stop });
  }

  async #end(): Promise<void> {
    const left = await endProcesses(this.#identity, { ...this.#init.stop, trustGroup: true });
    if (left.length > 0) {
      this.#log.error({ pids: left }, 'processes of the app do not end, not even by SIGKILL');
      // The record stays, so that the next fetcher tries again; this one does not wait for it.
      this.#child.unref();
      await this.#guard?.dismiss();
      return;
    }
    await this.exited;
    await this.#guard?.dismiss();
    await removeProcessRecord(this.#init.recordDirectory);
  }
}

interface Started {
  readonly identity: ProcessIdentity;
  readonly environment: Readonly<Record<string, string>>;
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return { code: child.exitCode, signal: child.signalCode };
}
