import type { BenchTracker } from '../bench-tracker.ts';
import { openTracker } from './opentracker.ts';
import { starling } from './starling.ts';

export const allTrackers: readonly BenchTracker[] = [starling, openTracker];
