import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize } from 'node:path';
import { ActivationError } from '../src/errors.ts';

/**
 * Finds the program that an image names: in its tree, else in the directories of PATH. A name with
 * a slash is one file, in the tree or, when it is absolute, on the host.
 * @returns its absolute path.
 * @throws ActivationError ACTIVATION_START when there is none that can be run.
 */
export async function findProgram(tree: string, name: string, path: string): Promise<string> {
  for (const candidate of candidates(tree, name, path)) {
    if (await isProgram(candidate)) return candidate;
  }
  const where = name.includes('/') ? `in ${tree}` : `in ${tree} or in PATH`;
  throw new ActivationError(
    'ACTIVATION_START',
    `The image starts ${name}, but there is no such program that may be run ${where}; bake it into the image as an executable file.`,
    { evidence: { program: name, tree, path } },
  );
}

function candidates(tree: string, name: string, path: string): string[] {
  if (isAbsolute(name)) return [join(tree, name), name];
  // What leaves the tree is not of the image, so it is not looked for.
  const inside = !normalize(name).startsWith('..');
  const inTree = inside ? [join(tree, name)] : [];
  if (name.includes('/')) return inTree;
  // An empty part of PATH would mean the working directory, which is the tree.
  const directories = path.split(':').filter((directory) => isAbsolute(directory));
  return [...inTree, ...directories.map((directory) => join(directory, name))];
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
