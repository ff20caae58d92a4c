import { fleetSettingsSchema, type FleetSettings } from '../../src/api/index.ts';
import type { Durability } from '../../src/image/index.ts';
import { onDisk, readSmallFile, replaceFile } from '../atomic-file.ts';

/** What a message may hold, and room for how JSON writes it down. */
const maxRecordBytes = 2 << 20;

/**
 * Reads what was kept of one app's settings.
 * @returns undefined when there is nothing.
 * @throws Error when it can't be read or is damaged.
 */
export async function readSettings(path: string): Promise<FleetSettings | undefined> {
  const text = await readSmallFile(path, maxRecordBytes);
  return text === undefined ? undefined : fleetSettingsSchema.parse(JSON.parse(text));
}

/**
 * Keeps one app's settings; they are on disk when this returns, or what was there before still is.
 * @throws StorageError
 */
export async function writeSettings(
  durability: Durability,
  path: string,
  settings: FleetSettings,
): Promise<void> {
  await onDisk('Keeping settings', path, () =>
    replaceFile(durability, path, `${JSON.stringify(settings)}\n`),
  );
}
