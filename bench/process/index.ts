/**
 * Programs as processes of which is known what they use: CPU time, memory, and when they were
 * started, said something and ended. What is measured is not decided here.
 */
export {
  findPython,
  MeasuredProcess,
  monotonicMs,
  type Ended,
  type MeasuredInit,
} from './measured-process.ts';
export { cpuSecondsOfStat } from './process-usage.ts';
