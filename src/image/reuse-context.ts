import type { ImageFile } from './image-info.ts';
import type { Clone } from './reuse-destination.ts';
import type { PartRunner } from './reuse-runner.ts';
import type { ReusePlan } from './reuse-plan.ts';

/** What the steps of carrying out a plan work with. */
export interface ReuseContext {
  readonly plan: ReusePlan;
  /** The tree of the wanted image. */
  readonly tree: string;
  /** A folder on the same file system, of this run alone. */
  readonly scratch: string;
  readonly signal: AbortSignal | undefined;
  readonly runner: PartRunner;
  readonly clone: Clone;
  /** Says that a piece is here. */
  readonly claim: (file: ImageFile, piece: number) => void;
  /** The files that are links, by their paths in the tree. */
  readonly linked: string[];
}

/** How many files are prepared at a time. */
export const reuseConcurrency = 16;
