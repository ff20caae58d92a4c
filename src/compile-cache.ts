import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';

/**
 * The environment for a thread or process of ours, so that it finds what this one has compiled: Node
 * does not hand that on. Without it each thread compiles anew, types stripped by a parser of 30 MB.
 */
export function environmentWithCompileCache(): NodeJS.ProcessEnv {
  // Below the directory that was asked for, Node makes one for its version.
  const used = getCompileCacheDir();
  return used === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(used) };
}
