import { readFile, readlink, realpath } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { damageOfStore } from './image-damage.ts';

/** What lies on the disk of a host whose fetcher does not run. */
export interface HostState {
  /** What is wrong, as sentences; none: it is whole. */
  readonly damage: readonly string[];
  /** The generation that `current` names. */
  readonly number: number | undefined;
  readonly version: string | undefined;
}

interface GenerationRecord {
  readonly number?: unknown;
  readonly imageId?: unknown;
  readonly version?: unknown;
}

/**
 * Looks at the disk of a host: `current` must name a generation whose record can be read, whose
 * link leads to the tree of its image in the store; and every image in the store must be whole.
 * @param channel the directory of the generations of one channel
 */
export async function examineHost(channel: string, store: string): Promise<HostState> {
  const damage = await damageOfStore(store);
  try {
    const target = await readlink(join(channel, 'current'));
    const number = Number(/^generations\/([1-9]\d*)$/.exec(target)?.[1]);
    const folder = join(channel, target);
    const text = await readFile(join(folder, 'generation.json'), 'utf8');
    const { imageId, version, ...record } = JSON.parse(text) as GenerationRecord;
    if (record.number !== number) damage.push(`${target} says that it is another one`);
    const tree = await realpath(join(folder, 'image'));
    const of = relative(await realpath(store), dirname(tree));
    if (of !== imageId) damage.push(`${target} is of ${String(imageId)}, its tree of "${of}"`);
    return { damage, number, version: String(version) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    damage.push(`the current generation can't be read: ${why}`);
    return { damage, number: undefined, version: undefined };
  }
}
