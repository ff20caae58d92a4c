import { spawnSync } from 'node:child_process';
import { ownProgram } from '../../process/index.ts';

const option = '--rack';
let known: boolean | undefined;

/** How `fetcher run` is told its rack; empty when there is none, or this version can't be told. */
export function rackFlags(rack: string | undefined): string[] {
  return rack !== undefined && knowsRacks() ? [option, rack] : [];
}

/** Whether hosts can be told where they stand. */
export function knowsRacks(): boolean {
  if (known !== undefined) return known;
  const [program, ...args] = ownProgram('fetcher', 'run', '--help');
  known = spawnSync(program, args, { encoding: 'utf8' }).stdout.includes(option);
  return known;
}
