/**
 * The tracker as a library: the program's main.ts and the tests start the same thing with it. It
 * coordinates swarms (who is where), holds the signed releases and serves them. What it signs can't
 * name an image, it never sees an image's bytes, and what it says need not be believed.
 */
export { startTracker } from './tracker.ts';
export type { Tracker, TrackerComponents } from './tracker.ts';
export { defaultConfig } from './config.ts';
export type { TrackerConfig } from './config.ts';
export type { CallObserver, CallRecord } from './rest/index.ts';
