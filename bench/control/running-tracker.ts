import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { FleetClient, TrackerClient } from '../../src/api/index.ts';
import { createKeys } from '../../src/trust/index.ts';
import { createFleet } from '../../tracker/fleet/offline-fleet.ts';
import { freePort, ownProgram, type MeasuredProcess, type Place } from '../process/index.ts';

const listening = z.object({
  event: z.literal('listening'),
  url: z.string(),
  tokenPath: z.string(),
  control: z.array(z.string()).min(1),
});

/** `tracker serve` of a fleet of its own, on SQLite. */
export interface RunningTracker {
  readonly process: MeasuredProcess;
  readonly url: string;
  /** Where its control plane is. */
  readonly control: string;
  readonly fleet: FleetClient;
  /** The flags of a program that speaks to it as an operator. */
  readonly operator: readonly string[];
  readonly keys: string;
  readonly rootPath: string;
  readonly fleetKeyPath: string;
}

export async function startTracker(place: Place): Promise<RunningTracker> {
  const at = (name: string) => join(place.directory, name);
  const { rootPath } = await createKeys(at('keys'), { now: new Date() });
  const { keyPath } = await createFleet(at('tracker'));
  const own = ['--dir', at('tracker'), '--root', rootPath, '--log-level', 'error'];
  const ports = ['--port', '0', '--no-udp', '--control-port', String(await freePort())];
  const process = place.start('tracker', ownProgram('tracker', 'serve', ...own, ...ports));
  const { value } = await process.line(listening, 'that it listens');
  const { url, tokenPath, control } = value;
  const token = (await readFile(tokenPath, 'utf8')).trim();
  const local = control.find((address) => address.includes('/127.0.0.1/')) ?? '';
  return {
    process,
    url,
    control: local,
    fleet: new FleetClient({ tracker: new TrackerClient({}, { url, token }) }),
    operator: ['--tracker', url, '--token-file', tokenPath],
    keys: at('keys'),
    rootPath,
    fleetKeyPath: keyPath,
  };
}
