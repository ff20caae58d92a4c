import { readdir, readlink, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { StorageError } from '../src/errors.ts';
import type { Durability } from '../src/image/index.ts';
import {
  errorCode,
  makeDirectory,
  onDisk,
  readSmallFile,
  replaceFile,
  writeWhole,
} from './atomic-file.ts';
import type { Generation } from './generation-record.ts';
import { readGeneration, recordName, serializeGeneration } from './generation-record.ts';

/** What a new generation is made of. */
export interface NewGeneration {
  readonly imageId: string;
  /** Absolute path of the verified tree. */
  readonly tree: string;
  readonly release: number;
  readonly version: string;
  readonly createdAt: Date;
  readonly before: number | undefined;
}

/**
 * The generations of one followed app and channel, on disk:
 *
 *     generations/N/generation.json   the record
 *     generations/N/image             relative link to the image's tree
 *     current                         link to generations/N: the one switch
 *     last-number                     the highest number given so far
 *
 * A generation is made under a name with a dot and renamed when all of it is on disk, so a numbered
 * directory is whole; each change of a record and of `current` is one atomic rename.
 */
export class Generations {
  readonly #durability: Durability;
  readonly #directory: string;
  readonly #generations: string;
  readonly #app: string;
  readonly #channel: string;

  constructor(
    components: { readonly durability: Durability },
    init: { readonly directory: string; readonly app: string; readonly channel: string },
  ) {
    this.#durability = components.durability;
    this.#directory = init.directory;
    this.#generations = join(init.directory, 'generations');
    this.#app = init.app;
    this.#channel = init.channel;
  }

  /**
   * Makes the directories that are missing and removes what a killed fetcher left half made.
   * @returns the names of what was removed.
   * @throws StorageError STORAGE_CORRUPT when the directory is another app's.
   */
  async open(): Promise<string[]> {
    return await onDisk('Opening the generations', this.#directory, async () => {
      await makeDirectory(this.#durability, this.#generations);
      const removed: string[] = [];
      for (const name of await readdir(this.#directory)) {
        if (name !== '.current.tmp' && !/^(last-number|process\.json)\.tmp$/.test(name)) continue;
        await rm(join(this.#directory, name), { force: true });
        removed.push(name);
      }
      for (const name of await readdir(this.#generations)) {
        if (!(await this.#isLeftover(name))) continue;
        const number = Number(/^\d+$/.exec(name)?.[0] ?? 0);
        // The number of a broken generation stays used.
        if (number > (await this.#lastNumber())) await this.#writeLastNumber(number);
        await rm(join(this.#generations, name), { recursive: true, force: true });
        removed.push(join('generations', name));
      }
      return removed;
    });
  }

  /** The whole generations, lowest number first. */
  async list(): Promise<Generation[]> {
    const found: Generation[] = [];
    for (const name of await readdir(this.#generations)) {
      const generation = await this.#read(name);
      if (generation) found.push(generation);
    }
    return found.sort((a, b) => a.number - b.number);
  }

  /** The generation that `current` names, if it names a whole one. */
  async current(): Promise<Generation | undefined> {
    const name = /^generations\/(\d+)$/.exec(await this.#currentTarget())?.[1];
    return name === undefined ? undefined : await this.#read(name);
  }

  /** Whether there is a link `current`, be it whole or not. */
  async hasCurrent(): Promise<boolean> {
    return (await this.#currentTarget()) !== '';
  }

  /** The real path of a generation's tree; undefined when the tree is gone. */
  async treeOf(generation: Generation): Promise<string | undefined> {
    try {
      const tree = await realpath(join(this.#generations, String(generation.number), 'image'));
      return (await stat(tree)).isDirectory() ? tree : undefined;
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  /**
   * Makes a generation with the next number. All of it is on disk when this returns.
   * @throws StorageError
   */
  async create(image: NewGeneration): Promise<Generation> {
    return await onDisk('Making a generation', this.#generations, async () => {
      const numbers = (await this.list()).map((generation) => generation.number);
      const number = Math.max(await this.#lastNumber(), ...numbers) + 1;
      await this.#writeLastNumber(number);
      const generation: Generation = {
        number,
        imageId: image.imageId,
        app: this.#app,
        channel: this.#channel,
        release: image.release,
        version: image.version,
        createdAt: image.createdAt.toISOString(),
        state: 'created',
        ...(image.before === undefined ? {} : { before: image.before }),
      };
      const partial = join(this.#generations, `.${number}.partial`);
      await rm(partial, { recursive: true, force: true });
      await makeDirectory(this.#durability, partial);
      // A link to where the directory will lie; the partial one lies as deep.
      const tree = relative(await realpath(partial), await realpath(image.tree));
      await symlink(tree, join(partial, 'image'));
      await writeWhole(join(partial, recordName), serializeGeneration(generation));
      await this.#durability.syncFile(join(partial, recordName));
      await this.#durability.syncDirectory(partial);
      await rename(partial, join(this.#generations, String(number)));
      await this.#durability.syncDirectory(this.#generations);
      return generation;
    });
  }

  /**
   * Replaces a generation's record.
   * @throws StorageError
   */
  async update(generation: Generation): Promise<Generation> {
    const path = join(this.#generations, String(generation.number), recordName);
    await onDisk('Writing the state of a generation', path, async () => {
      await replaceFile(this.#durability, path, serializeGeneration(generation));
    });
    return generation;
  }

  /**
   * Makes a generation the current one, or none.
   * @throws StorageError
   */
  async switchTo(number: number | undefined): Promise<void> {
    const current = join(this.#directory, 'current');
    await onDisk('Switching the current generation', current, async () => {
      if (number === undefined) {
        await rm(current, { force: true });
      } else {
        const temporary = join(this.#directory, '.current.tmp');
        await rm(temporary, { force: true });
        await symlink(`generations/${number}`, temporary);
        await rename(temporary, current);
      }
      await this.#durability.syncDirectory(this.#directory);
    });
  }

  /**
   * Removes generations. That they are gone is on disk when this returns, so what they referred to
   * may be removed after it.
   * @throws StorageError
   */
  async remove(numbers: readonly number[]): Promise<void> {
    if (numbers.length === 0) return;
    await onDisk('Removing old generations', this.#generations, async () => {
      const highest = Math.max(...numbers);
      if (highest > (await this.#lastNumber())) await this.#writeLastNumber(highest);
      const removed = numbers.map((number) => join(this.#generations, `.${number}.removed`));
      for (const [index, number] of numbers.entries()) {
        await rename(join(this.#generations, String(number)), removed[index] ?? '');
      }
      await this.#durability.syncDirectory(this.#generations);
      for (const path of removed) await rm(path, { recursive: true, force: true });
    });
  }

  async #read(name: string): Promise<Generation | undefined> {
    if (!/^[1-9]\d{0,14}$/.test(name)) return undefined;
    const generation = await readGeneration(join(this.#generations, name), Number(name));
    if (generation && (generation.app !== this.#app || generation.channel !== this.#channel)) {
      throw new StorageError(
        'STORAGE_CORRUPT',
        `${this.#directory} holds generations of ${generation.app}/${generation.channel}, not of ${this.#app}/${this.#channel}; use a directory of its own for each.`,
        { evidence: { directory: this.#directory, generation: generation.number } },
      );
    }
    return generation;
  }

  /** Foreign names are left alone. */
  async #isLeftover(name: string): Promise<boolean> {
    if (/^\.\d+\.(partial|removed)$/.test(name)) return true;
    return /^\d+$/.test(name) && (await this.#read(name)) === undefined;
  }

  async #currentTarget(): Promise<string> {
    try {
      return await readlink(join(this.#directory, 'current'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return '';
      throw error;
    }
  }

  async #lastNumber(): Promise<number> {
    const text = await readSmallFile(join(this.#directory, 'last-number'), 64);
    const match = /^(\d{1,15})\n$/.exec(text ?? '');
    return Number(match?.[1] ?? 0);
  }

  async #writeLastNumber(number: number): Promise<void> {
    await replaceFile(this.#durability, join(this.#directory, 'last-number'), `${number}\n`);
  }
}
