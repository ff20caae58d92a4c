import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { ConfigError } from '../../src/errors.ts';
import type { Durability } from '../../src/image/index.ts';
import { isPeerId } from '../../src/trust/sealed.ts';
import { makeDirectory, onDisk, readSmallFile, replaceFile } from '../atomic-file.ts';

/** A credential has 4 KiB at most, a revocation list 240 KiB. */
const maxRecordBytes = 1 << 20;

const recordSchema = z.object({
  fleetId: z.string().refine(isPeerId, 'is not a peer id'),
  /** Where the trackers' control planes are, with their peer ids. */
  trackers: z.array(z.string().max(300)).min(1).max(16),
  /** What this host shows; none while it waits to be approved. */
  credential: z.string().max(4_096).optional(),
  revocations: z.string().max(maxRecordBytes).optional(),
});

/** How this host belongs to its fleet, as it was told last. */
export type MembershipRecord = z.output<typeof recordSchema>;

/** Keeps a host's membership on disk, so that it starts without a tracker and without a token. */
export class MembershipFile {
  readonly #durability: Durability;
  readonly #directory: string;

  constructor(components: { readonly durability: Durability }, init: { directory: string }) {
    this.#durability = components.durability;
    this.#directory = init.directory;
  }

  get path(): string {
    return join(this.#directory, 'membership.json');
  }

  /**
   * @returns undefined when this host never joined a fleet
   * @throws ConfigError CONFIG_INVALID when the file is damaged; StorageError
   */
  async read(): Promise<MembershipRecord | undefined> {
    const text = await onDisk('Reading the membership', this.path, () =>
      readSmallFile(this.path, maxRecordBytes),
    );
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
    await onDisk('Keeping the membership', this.path, async () => {
      await makeDirectory(this.#durability, this.#directory);
      await chmod(this.#directory, 0o700);
      await replaceFile(this.#durability, this.path, `${JSON.stringify(record)}\n`);
    });
  }
}
