import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import * as z from 'zod';
import type { CommandBatch } from './setup-commands.ts';

const inNamespace = (name: string | undefined): string[] =>
  name === undefined ? [] : ['-n', name];

/** Runs commands of ip or tc, one after the other. @throws when one fails, and the rest is not run */
export async function runBatch({ program, namespace, lines }: CommandBatch): Promise<void> {
  if (lines.length === 0) return;
  const child = spawn(program, [...inNamespace(namespace), '-batch', '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  child.stdin.on('error', () => undefined).end(`${lines.join('\n')}\n`);
  const [said, [code]] = await Promise.all([text(child.stderr), closed]);
  if (code !== 0) throw new Error(`${program} could not set up the network: ${said.trim()}`);
}

const queues = z.array(
  z.object({
    dev: z.string(),
    root: z.boolean().optional(),
    bytes: z.number(),
    packets: z.number(),
    drops: z.number(),
  }),
);

/** What left by a link: frames with their headers, and how many were lost to a full queue. */
export interface LinkCount {
  readonly bytes: number;
  readonly packets: number;
  readonly drops: number;
}

/**
 * What left by each link of a namespace, as its shaper counted it: an interface counts packets
 * before they are cut into frames, and so too few headers.
 */
export async function readCounts(namespace: string): Promise<Map<string, LinkCount>> {
  const args = ['-n', namespace, '-s', '-j', 'qdisc', 'show'];
  const { stdout } = await promisify(execFile)('tc', args, { maxBuffer: 16 << 20 });
  const found = queues.parse(JSON.parse(stdout)).filter(({ root }) => root === true);
  return new Map(found.map(({ dev, bytes, packets, drops }) => [dev, { bytes, packets, drops }]));
}
