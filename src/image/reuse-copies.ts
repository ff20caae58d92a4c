import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachConcurrently } from './concurrency.ts';
import { reuseConcurrency, type ReuseContext } from './reuse-context.ts';
import { cloneTo, makeOwn } from './reuse-destination.ts';
import { partsOf, type ReusePart } from './reuse-parts.ts';
import type { FileReuse, ReuseSource } from './reuse-plan.ts';

/** A file that is written, or was cloned. */
interface CopyJob {
  readonly reuse: FileReuse;
  readonly path: string;
  readonly cloned: boolean;
  claimed: number;
}

/** Copies ranges, hashing what was read; of a file that was cloned, what is in place is hashed. */
export async function copyRanges(
  context: ReuseContext,
  files: readonly FileReuse[],
): Promise<void> {
  const jobs = await prepare(context, files);
  try {
    await context.runner.run(parts(context, jobs), (job, pieces) => {
      job.claimed += pieces.length;
      for (const piece of pieces) context.claim(job.reuse.file, piece);
    });
  } finally {
    // A file of which nothing is right only takes up space.
    const useless = jobs.filter(({ reuse, claimed }) => reuse.isNew && claimed === 0);
    await forEachConcurrently(useless, reuseConcurrency, ({ path }) =>
      unlink(path).catch(() => undefined),
    );
  }
}

async function prepare(
  context: ReuseContext,
  files: readonly FileReuse[],
): Promise<readonly CopyJob[]> {
  const { tree, scratch, runner, signal } = context;
  const jobs: CopyJob[] = [];
  const cloner = { canClone: true };
  await forEachConcurrently(files.entries(), reuseConcurrency, async ([number, reuse]) => {
    signal?.throwIfAborted();
    const path = join(tree, reuse.file.path);
    const aside = join(scratch, `${number}.copy`);
    try {
      const cloned = await startFromClone(context, cloner, reuse, { path, aside });
      if (!cloned) await makeOwn(path, aside, reuse.isNew);
      jobs.push({ reuse, path, cloned, claimed: 0 });
    } catch (error) {
      runner.failed(path, error);
    }
  });
  return jobs;
}

/** Starts a file of which most is in one stored file by a clone of that, which takes no space. */
async function startFromClone(
  { clone }: ReuseContext,
  cloner: { canClone: boolean },
  reuse: FileReuse,
  { path, aside }: { path: string; aside: string },
): Promise<boolean> {
  if (!reuse.isNew || reuse.clone === undefined || !cloner.canClone) return false;
  try {
    const { sizeBytes } = reuse.file;
    await cloneTo(clone, reuse.clone, { path, scratch: aside, sizeBytes });
    return true;
  } catch (error) {
    // This file system can't, so it need not be asked for each file.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') cloner.canClone = false;
    await unlink(aside).catch(() => undefined);
    return false;
  }
}

function* parts(context: ReuseContext, jobs: readonly CopyJob[]): Generator<ReusePart<CopyJob>> {
  const { pieceSizeBytes } = context.plan.wanted.info;
  for (const job of jobs) {
    const { file, ranges } = job.reuse;
    for (const range of ranges) {
      const shownPath = pathOf(context, range.source);
      const inPlace =
        job.cloned &&
        shownPath === job.reuse.clone &&
        range.sourceStartBytes === (range.firstPiece - file.firstPiece) * pieceSizeBytes;
      const at = inPlace
        ? { source: job.path, destination: undefined }
        : { source: shownPath, destination: job.path };
      yield* partsOf(range, pieceSizeBytes, { job, file, shownPath, ...at });
    }
  }
}

const pathOf = ({ tree }: ReuseContext, source: ReuseSource): string =>
  source.kind === 'own' ? join(tree, source.path) : source.path;
