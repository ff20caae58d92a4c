import { join } from 'node:path';
import * as z from 'zod';
import { ConfigError, isStarlingError, StorageError } from '../errors.ts';
import { isPeerId, readPrivateFile, replacePrivateFile } from '../trust/sealed.ts';

/** A credential has 4 KiB at most, a revocation list 240 KiB. */
const maxRecordBytes = 1 << 20;

const recordSchema = z.object({
  fleetId: z.string().refine(isPeerId, 'is not a peer id'),
  /** Where the control planes of the trackers are by which it joined, with their peer ids. */
  trackers: z.array(z.string().max(300)).min(1).max(16),
  /** Where those of the fleet are, as a tracker told it last. */
  told: z.array(z.string().max(300)).max(16).optional(),
  /** What this member shows; none while it waits to be approved. */
  credential: z.string().max(4_096).optional(),
  revocations: z.string().max(maxRecordBytes).optional(),
});

/** How a member belongs to its fleet, as it was told last. */
export type MembershipRecord = z.output<typeof recordSchema>;

/** Keeps a membership on disk, so that its host starts without a tracker and without a token. */
export class MembershipFile {
  readonly path: string;

  constructor(init: { readonly directory: string }) {
    this.path = join(init.directory, 'membership.json');
  }

  /**
   * @returns undefined when this host never joined a fleet
   * @throws ConfigError CONFIG_INVALID when it is damaged, or others can get at it; StorageError
   */
  async read(): Promise<MembershipRecord | undefined> {
    const text = await readPrivateFile(this.path, maxRecordBytes).catch((cause: unknown) => {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
      throw this.#failed('read', cause);
    });
    if (text === undefined) return undefined;
    try {
      return recordSchema.parse(JSON.parse(text));
    } catch (cause) {
      throw new ConfigError(
        'CONFIG_INVALID',
        `${this.path} is damaged, so that this host does not know its fleet: remove it, and join again with --join TOKEN`,
        { cause, evidence: { path: this.path } },
      );
    }
  }

  /** It is on disk when this returns. @throws StorageError */
  async write(record: MembershipRecord): Promise<void> {
    try {
      await replacePrivateFile(this.path, `${JSON.stringify(record)}\n`);
    } catch (cause) {
      throw this.#failed('written', cause);
    }
  }

  #failed(how: string, cause: unknown): unknown {
    if (isStarlingError(cause)) return cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    return new StorageError('STORAGE_FAILED', `${this.path} can't be ${how}: ${why}`, {
      cause,
      evidence: { path: this.path },
    });
  }
}
