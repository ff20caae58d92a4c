import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../guard.ts';
import type { RunningSettings } from './running-settings.ts';
import { SettingsApi } from './settings-api.ts';

/** sun_path has 108 bytes, the last of them 0 (unix(7)). */
const maxSocketPathBytes = 107;

/**
 * Opens the settings of one channel for its application.
 * @returns undefined, and says so, where the directory's name is too long for a socket in it: then
 *   the application has its settings in its environment alone.
 */
export async function openSettingsApi(
  components: { readonly running: RunningSettings; readonly log: Log },
  init: { readonly directory: string; readonly app: string; readonly channel: string },
): Promise<SettingsApi | undefined> {
  const { directory, app, channel } = init;
  // Names may have 100 characters each, a path of a socket few: so a digest stands for them.
  const name = createHash('sha256').update(`${app}/${channel}`).digest('hex').slice(0, 12);
  const socketPath = join(directory, `${name}.sock`);
  const length = Buffer.byteLength(socketPath);
  if (length > maxSocketPathBytes) {
    components.log.warn(
      { app, channel, socketPath, length },
      `${app}/${channel} has no socket for its settings: a path may have ${maxSocketPathBytes} bytes, ${socketPath} has ${length}; take a directory with a shorter name`,
    );
    return undefined;
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return await SettingsApi.open(components, { socketPath });
}
