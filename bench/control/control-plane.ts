import type { MeasuredProcess } from '../process/index.ts';

/** What brings a changed value to all hosts, while it runs with all of them. */
export interface RunningPlane extends AsyncDisposable {
  readonly name: string;
  /** Whether it is Starling. */
  readonly ours: boolean;
  /** What holds the values. */
  readonly server: MeasuredProcess;
  /** What stands on each host between the server and the application, or is the whole of it. */
  readonly hosts: readonly MeasuredProcess[];
  /** Sets the value; returns when it is durable. */
  change(value: string): Promise<void>;
  /** When each host's callback was called with a value. @throws the signal's reason */
  told(value: string, options: { signal: AbortSignal }): Promise<readonly number[]>;
}

/** Every host has been told this one before anything is measured. */
export const firstValue = 'db-first:5432';

/** How long it may take until all hosts have been told it, in milliseconds. */
export const startMs = 120_000;
