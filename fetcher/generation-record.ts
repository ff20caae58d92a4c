import { join } from 'node:path';
import * as z from 'zod';
import { readSmallFile } from './atomic-file.ts';

const maxRecordBytes = 64 * 1024;
const maxReasonLength = 4_096;
const number = z.int().min(1);

const generationSchema = z.strictObject({
  number,
  imageId: z.string().regex(/^[A-Za-z0-9]{1,200}$/),
  app: z.string().min(1).max(255),
  channel: z.string().min(1).max(255),
  release: z.int().min(0),
  version: z.string().min(1).max(255),
  createdAt: z.iso.datetime(),
  /** `created` until its health check has passed or failed for the first time. */
  state: z.enum(['created', 'healthy', 'failed']),
  /** Why it failed. */
  reason: z.string().max(maxReasonLength).optional(),
  /** The generation that was current when this one was made: the one to go back to. */
  before: number.optional(),
});

/** An image activated on this host, as its generation.json has it. */
export type Generation = z.output<typeof generationSchema>;

/** The name of the record in a generation's directory. */
export const recordName = 'generation.json';

/**
 * The text of a generation's record. A reason that is too long is cut.
 * @throws Error for a record that could not be read again.
 */
export function serializeGeneration(generation: Generation): string {
  const { reason } = generation;
  const cut = reason === undefined ? {} : { reason: reason.slice(0, maxReasonLength) };
  return `${JSON.stringify(generationSchema.parse({ ...generation, ...cut }), null, 2)}\n`;
}

/**
 * Reads the record of the generation in a directory.
 * @returns undefined when there is no valid one: the generation is half made.
 */
export async function readGeneration(
  directory: string,
  expected: number,
): Promise<Generation | undefined> {
  let value: unknown;
  try {
    const text = await readSmallFile(join(directory, recordName), maxRecordBytes);
    if (text === undefined) return undefined;
    value = JSON.parse(text);
  } catch (error) {
    // A record that is no JSON or far too long is no record; a disk that can't be read is a fault.
    if (error instanceof Error && 'syscall' in error && error.syscall === 'read') throw error;
    return undefined;
  }
  const result = generationSchema.safeParse(value);
  return result.success && result.data.number === expected ? result.data : undefined;
}
