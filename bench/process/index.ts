/**
 * Programs as processes of which is known what they use: CPU time, memory, and when they were
 * started, said something and ended; and the places where they run. What is measured is not decided
 * here.
 */
export { untilDone, writeDoneScript } from './done-script.ts';
export { freePort, untilListening } from './free-port.ts';
export {
  findPython,
  MeasuredProcess,
  monotonicMs,
  type Ended,
  type MeasuredInit,
} from './measured-process.ts';
export { nginxConfig } from './nginx-config.ts';
export { openPlace, type OpenPlace, type Place } from './place.ts';
export { cpuSecondsOfStat } from './process-usage.ts';
export { findLibtorrentPython, isInstalled, missingProgram, ownProgram } from './programs.ts';
