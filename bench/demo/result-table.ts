import Table from 'cli-table3';
import { formatBytes, formatDuration } from '../../src/cli/index.ts';
import type { HostTransfer } from './host.ts';

export interface TransferResult {
  readonly hosts: readonly (HostTransfer & {
    readonly name: string;
    readonly activeAfterMs: number;
  })[];
  /** From the first host that began to the last that had the image whole and on disk. */
  readonly swarmMs: number;
  readonly boundMs: number;
}

/** The result of one release, for people. */
export function resultTable({ hosts, swarmMs, boundMs }: TransferResult): string {
  const plain = !process.stdout.isTTY || process.env.NO_COLOR !== undefined;
  const table = new Table({
    head: ['host', 'active after', 'from the seeder', 'from peers', 'reused'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style: plain ? { head: [], border: [] } : { head: ['bold'], border: ['gray'] },
  });
  for (const host of hosts) {
    table.push([
      host.name,
      formatDuration(host.activeAfterMs),
      formatBytes(host.fromSeederBytes),
      formatBytes(host.receivedBytes - host.fromSeederBytes),
      formatBytes(host.reusedBytes),
    ]);
  }
  // A bound of milliseconds, for an update of kilobytes, says nothing about the swarm.
  const comparison =
    boundMs < 1_000
      ? ''
      : `; no schedule can beat ${formatDuration(boundMs)}: ${(swarmMs / boundMs).toFixed(2)} times the bound`;
  return `${table.toString()}\n  the swarm took ${formatDuration(swarmMs)}${comparison}`;
}
