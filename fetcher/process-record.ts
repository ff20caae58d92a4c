import { rename, rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { readSmallFile, writeWhole } from './atomic-file.ts';
import type { ProcessIdentity } from './process-table.ts';
import { endProcesses, membersOf, processIdentitySchema } from './process-table.ts';

const maxRecordBytes = 16 * 1024;

const recordSchema = z.strictObject({
  ...processIdentitySchema.shape,
  generation: z.int().min(1),
  stopSignal: z.custom<NodeJS.Signals>(
    (value) => typeof value === 'string' && Object.hasOwn(constants.signals, value),
  ),
  graceMs: z.int().min(0).max(86_400_000),
});

/** Which processes run an app, as process.json has it for the next fetcher. */
export type ProcessRecord = z.output<typeof recordSchema>;

/**
 * Writes the record by one rename. It is not synced: after a power cut there is no process that it
 * could name.
 */
export async function writeProcessRecord(directory: string, record: ProcessRecord): Promise<void> {
  const path = recordPath(directory);
  await writeWhole(`${path}.tmp`, `${JSON.stringify(record)}\n`);
  await rename(`${path}.tmp`, path);
}

/** Removes the record, once no process of it is left. */
export async function removeProcessRecord(directory: string): Promise<void> {
  await rm(recordPath(directory), { force: true });
}

/**
 * Ends the processes that a killed fetcher left, if they still are the ones of its record.
 * @returns what it found: the generation whose processes it ended and the pids it could not end;
 * undefined when there was no record or nothing of it runs.
 */
export async function endStaleProcesses(
  directory: string,
): Promise<{ readonly generation: number; readonly left: readonly number[] } | undefined> {
  const record = await readProcessRecord(directory);
  if (!record) {
    await removeProcessRecord(directory);
    return undefined;
  }
  const identity: ProcessIdentity = {
    pid: record.pid,
    startTime: record.startTime,
    bootId: record.bootId,
    run: record.run,
  };
  const found = await membersOf(identity, false);
  const left = await endProcesses(identity, {
    signal: record.stopSignal,
    graceMs: record.graceMs,
    trustGroup: false,
  });
  await removeProcessRecord(directory);
  return found.length === 0 ? undefined : { generation: record.generation, left };
}

/** A record that is none, cut short or of another's making names no process. */
async function readProcessRecord(directory: string): Promise<ProcessRecord | undefined> {
  const text = await readSmallFile(recordPath(directory), maxRecordBytes);
  if (text === undefined) return undefined;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function recordPath(directory: string): string {
  return join(directory, 'process.json');
}
