import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Runs a tool of the system to its end. @throws Error with what it said */
export async function runTool(command: string, args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(command, args, { encoding: 'utf8' })).stdout;
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr ?? '';
    throw new Error(`${command} ${args.join(' ')} failed: ${said.trim()}`, { cause });
  }
}
