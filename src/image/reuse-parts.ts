import { requestBytes } from './hash-files.ts';
import type { HashTask } from './hash-task.ts';
import type { ImageFile } from './image-info.ts';
import type { ReuseRange } from './reuse-plan.ts';

/** A run of wanted pieces to hash, and on the way perhaps to copy. */
export interface ReusePart<Job> {
  readonly job: Job;
  readonly task: HashTask;
  readonly file: ImageFile;
  readonly firstPiece: number;
  /** What is said to be at fault when it does not hold; the task may read a link to it. */
  readonly shownPath: string;
}

interface PartInit<Job> {
  readonly job: Job;
  readonly file: ImageFile;
  readonly source: string;
  readonly destination: string | undefined;
  readonly shownPath: string;
}

/** Cuts a range into parts of about what one request to a thread covers. */
export function* partsOf<Job>(
  range: Pick<ReuseRange, 'sourceStartBytes' | 'firstPiece' | 'lengthBytes'>,
  pieceSizeBytes: number,
  init: PartInit<Job>,
): Generator<ReusePart<Job>> {
  const { job, file, source, destination, shownPath } = init;
  const partBytes = Math.max(pieceSizeBytes, requestBytes);
  for (let done = 0; done < range.lengthBytes; done += partBytes) {
    const firstPiece = range.firstPiece + done / pieceSizeBytes;
    const task: HashTask = {
      source,
      destination,
      destinationStartBytes: (firstPiece - file.firstPiece) * pieceSizeBytes,
      onlyPiece: false,
      pieceSizeBytes,
      startBytes: range.sourceStartBytes + done,
      lengthBytes: Math.min(partBytes, range.lengthBytes - done),
      v1: 'none',
    };
    yield { job, task, file, firstPiece, shownPath };
  }
}

/** Both halves of a part of several pieces. */
export function* halves<Job>(part: ReusePart<Job>): Generator<ReusePart<Job>> {
  const { task } = part;
  const pieces = Math.ceil(task.lengthBytes / task.pieceSizeBytes);
  const cut = Math.ceil(pieces / 2);
  const cutBytes = cut * task.pieceSizeBytes;
  yield { ...part, task: { ...task, lengthBytes: cutBytes } };
  yield {
    ...part,
    firstPiece: part.firstPiece + cut,
    task: {
      ...task,
      startBytes: task.startBytes + cutBytes,
      destinationStartBytes: task.destinationStartBytes + cutBytes,
      lengthBytes: task.lengthBytes - cutBytes,
    },
  };
}
