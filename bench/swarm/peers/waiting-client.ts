import { join } from 'node:path';
import * as z from 'zod';
import { monotonicMs } from '../../process/index.ts';
import {
  runningHost,
  type OpenSwarm,
  type RunningHost,
  type Stage,
  type StageHost,
  type StageMachine,
} from '../swarm-peer.ts';
import { SwarmTracker } from './swarm-tracker.ts';

const ready = z.object({ event: z.literal('ready') });
const whole = z.object({ event: z.literal('whole') });

export interface WaitingClientInit {
  readonly name: string;
  /** The program and its script. */
  readonly command: readonly [string, ...string[]];
  readonly torrent: string;
  /** Hex; the first 20 bytes are announced. */
  readonly infoHash: string;
}

/**
 * A foreign client by a script of ours, with these arguments:
 *     seed|fetch wait|now TORRENT FOLDER ADDRESS TRACKER
 * One that is to wait says `{"event":"ready"}` when all is loaded but the torrent, and adds that at
 * SIGUSR2. One that fetches says `{"event":"whole"}` when it has all, and goes on as a seed.
 */
export async function openWaitingClients(
  init: WaitingClientInit,
  stage: Stage,
): Promise<OpenSwarm> {
  const { payload, seed: seedMachine } = stage;
  const tracker = await SwarmTracker.start(stage.tracker);
  const start = (machine: StageMachine, role: string, when: string, folder: string) => {
    const args = [role, when, init.torrent, folder, machine.address, tracker.announceUrl];
    return machine.place.start(`${init.name} ${machine.name}`, [...init.command, ...args]);
  };
  const seed = start(seedMachine, 'seed', 'now', payload.parent);
  await tracker.untilSeeded(init.infoHash, seed);
  const startHost = (host: StageHost, when: 'wait' | 'now'): RunningHost => {
    const process = start(host, 'fetch', when, host.place.directory);
    const tree = join(host.place.directory, payload.name);
    const done = process.line(whole, 'that it is done').then(({ atMs }) => ({ atMs, tree }));
    return runningHost({ process, whole: done });
  };
  let hosts: RunningHost[] = [];
  return {
    services: [tracker.process, seed],
    tracker: tracker.process,
    come: (host) => startHost(host, 'now'),
    async ready(these) {
      hosts = these.map((host) => startHost(host, 'wait'));
      await Promise.all(hosts.map(({ process }) => process.line(ready, 'that it is ready')));
    },
    async appear() {
      const atMs = monotonicMs();
      await Promise.all(hosts.map(({ process }) => process.send('SIGUSR2')));
      return { atMs, seed, hosts };
    },
  };
}
