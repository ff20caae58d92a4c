import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachConcurrently } from './concurrency.ts';
import { reuseConcurrency, type ReuseContext } from './reuse-context.ts';
import { linkAside } from './reuse-destination.ts';
import { partsOf, type ReusePart } from './reuse-parts.ts';
import type { FileReuse } from './reuse-plan.ts';

/** A file that is linked aside and being hashed. */
interface LinkJob {
  readonly reuse: FileReuse;
  readonly source: string;
  readonly aside: string;
  holds: number;
}

/**
 * Links the files of the plan that can be links: first aside, so that the source can't vanish, then
 * hashed there, then renamed into the tree.
 * @returns the rest: files that are not to be linked, or are damaged so that only parts can be had
 */
export async function linkFiles(context: ReuseContext): Promise<FileReuse[]> {
  const { jobs, rest } = await linkAllAside(context);
  const unsettled = new Set(jobs);
  await context.runner.run(parts(context, jobs), async (job, pieces) => {
    job.holds += pieces.length;
    if (job.holds < job.reuse.file.pieceCount) return;
    unsettled.delete(job);
    await settle(context, job);
  });
  return [...rest, ...[...unsettled].map(({ reuse }) => reuse)];
}

async function linkAllAside(
  context: ReuseContext,
): Promise<{ jobs: LinkJob[]; rest: FileReuse[] }> {
  const { plan, scratch, runner, signal } = context;
  const jobs: LinkJob[] = [];
  const rest: FileReuse[] = [];
  await forEachConcurrently(plan.files.entries(), reuseConcurrency, async ([number, reuse]) => {
    signal?.throwIfAborted();
    if (reuse.link === undefined) {
      rest.push(reuse);
      return;
    }
    const aside = join(scratch, `${number}.link`);
    try {
      const fits = await linkAside(reuse.link, aside, reuse.file);
      if (fits) jobs.push({ reuse, source: reuse.link, aside, holds: 0 });
      else rest.push(reuse);
    } catch (error) {
      // Another file system or too many links: then a copy is as good.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') runner.failed(reuse.link, error);
      else rest.push(reuse);
    }
  });
  return { jobs, rest };
}

function* parts({ plan }: ReuseContext, jobs: readonly LinkJob[]): Generator<ReusePart<LinkJob>> {
  for (const job of jobs) {
    const { file } = job.reuse;
    const whole = { sourceStartBytes: 0, firstPiece: file.firstPiece, lengthBytes: file.sizeBytes };
    const at = { source: job.aside, destination: undefined, shownPath: job.source };
    yield* partsOf(whole, plan.wanted.info.pieceSizeBytes, { job, file, ...at });
  }
}

async function settle(context: ReuseContext, { reuse, aside }: LinkJob): Promise<void> {
  const path = join(context.tree, reuse.file.path);
  try {
    await rename(aside, path);
  } catch (error) {
    context.runner.failed(path, error);
    return;
  }
  context.linked.push(reuse.file.path);
  for (const { firstPiece, pieceCount } of reuse.ranges) {
    for (let index = 0; index < pieceCount; index++) context.claim(reuse.file, firstPiece + index);
  }
}
