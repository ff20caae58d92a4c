import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { BaseLogger } from 'pino';
import type { StopPlan } from './launch-plan.ts';
import type { ProcessIdentity } from './process-table.ts';
import { runVariable } from './process-table.ts';

/** What the parts of the fetcher log to. */
export type Log = Pick<BaseLogger, 'debug' | 'info' | 'warn' | 'error'>;

/**
 * The guard's program. It reads from a pipe whose other end the fetcher alone holds. `done` means
 * that the app has ended; the end of the file means that the fetcher has died, and then the guard
 * ends the app: the stop signal, the grace, SIGKILL. The app is its process group, as long as the
 * group's leader is the process that was started or nobody, and all that carry the run's name.
 */
const program = `
group=$1 start=$2 marker=$3 signal=$4 tenths=$5
trap '' TERM INT HUP QUIT
while read -r word; do [ "$word" = done ] && exit 0; done
fields() { stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1; set -- $\{stat##*) }; echo "$3 $\{20}"; }
ours() { found=$(fields "$group") || return 0; [ "$\{found#* }" = "$start" ]; }
marked() {
  for file in $(grep -lsF -e "$marker" /proc/[0-9]*/environ); do
    pid=$\{file#/proc/} pid=$\{pid%/environ}
    found=$(fields "$pid") && [ "$\{found% *}" != "$group" ] && echo "$pid"
  done
}
send() {
  ours && kill -s "$1" -- "-$group"
  for pid in $(marked); do kill -s "$1" "$pid"; done
}
living() { ours && kill -s 0 -- "-$group" && return 0; [ -n "$(marked)" ]; }
send "$signal"
while [ "$tenths" -gt 0 ] && living; do sleep 0.1; tenths=$((tenths - 1)); done
tries=0
while [ "$tries" -lt 20 ] && living; do send KILL; sleep 0.1; tries=$((tries + 1)); done
`;

/**
 * Ends an app when the fetcher dies without a chance to: one small shell that outlives the fetcher
 * for as long as the app's grace. A guard that is killed is replaced.
 */
export class Guard {
  readonly #log: Log;
  readonly #arguments: readonly string[];
  readonly #pid: number;
  #shell: ChildProcess | undefined;
  #waiting: NodeJS.Timeout | undefined;
  #replacing: Promise<void> | undefined;
  #dismissed = false;

  private constructor(log: Log, identity: ProcessIdentity, stop: StopPlan) {
    this.#log = log;
    this.#pid = identity.pid;
    this.#arguments = [
      String(identity.pid),
      String(identity.startTime),
      `${runVariable}=${identity.run}`,
      stop.signal.replace(/^SIG/, ''),
      String(Math.ceil(stop.graceMs / 100)),
    ];
  }

  /**
   * Starts a guard for an app.
   * @throws Error when the shell can't be started.
   */
  static async start(
    components: { readonly log: Log },
    init: { readonly identity: ProcessIdentity; readonly stop: StopPlan },
  ): Promise<Guard> {
    const guard = new Guard(components.log, init.identity, init.stop);
    await guard.#start();
    return guard;
  }

  /** Sends the guard away, once its app has ended. */
  async dismiss(): Promise<void> {
    this.#dismissed = true;
    clearTimeout(this.#waiting);
    await this.#replacing;
    const shell = this.#shell;
    if (shell?.exitCode !== null || shell.signalCode !== null) return;
    const exited = once(shell, 'exit');
    shell.stdin?.end('done\n');
    await exited;
  }

  async #start(): Promise<void> {
    const shell = spawn('/bin/sh', ['-c', program, 'starling-guard', ...this.#arguments], {
      cwd: '/',
      detached: true,
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // That the pipe breaks means that the guard was killed, which its exit tells too.
    shell.stdin.on('error', () => undefined);
    await once(shell, 'spawn');
    shell.on('error', (error) => {
      this.#log.error({ err: error, pid: this.#pid }, 'the guard of the app can not be reached');
    });
    this.#shell = shell;
    shell.once('exit', () => {
      this.#replaceLater();
    });
  }

  #replaceLater(): void {
    if (this.#dismissed) return;
    this.#log.warn({ pid: this.#pid }, 'the guard of the app was killed; starting another');
    this.#waiting = setTimeout(() => {
      this.#replacing = this.#start().catch((error: unknown) => {
        this.#log.error({ err: error, pid: this.#pid }, 'the app has no guard');
        this.#replaceLater();
      });
    }, 100);
  }
}
