import { join } from 'node:path';
import { missingProgram, monotonicMs, untilDone, writeDoneScript } from '../../process/index.ts';
import { runningHost, type RunningHost, type StageHost, type SwarmPeer } from '../swarm-peer.ts';
import { SwarmTracker } from './swarm-tracker.ts';

/** Peers come from the tracker and from peers; what is fetched is given on without end. */
const settings = [
  '--enable-dht=false',
  '--enable-dht6=false',
  '--bt-enable-lpd=false',
  '--disable-ipv6=true',
  '--console-log-level=warn',
  '--summary-interval=0',
  '--no-conf=true',
  '--file-allocation=none',
  '--seed-ratio=0.0',
  '--listen-port=6881',
] as const;

/** aria2, v1. It starts in an instant, so its hosts start when the image appears. */
export const aria2c: SwarmPeer = {
  name: 'aria2c',
  ours: false,
  swarms: true,
  missing: () => missingProgram('aria2c'),
  async open({ payload, seed: machine, ...stage }) {
    const { v1 } = payload;
    const tracker = await SwarmTracker.start(stage.tracker);
    const command = (folder: string, ...args: string[]): [string, ...string[]] => {
      const at = ['--bt-tracker', tracker.announceUrl, '--dir', folder];
      return ['aria2c', ...settings, ...at, ...args, v1.torrent];
    };
    const believed = ['--bt-seed-unverified=true', '--allow-overwrite=true'];
    const seed = machine.place.start('aria2c seed', command(payload.parent, ...believed));
    await tracker.untilSeeded(v1.infoHash, seed);
    const scripts = new Map<StageHost, string>();
    for (const host of stage.hosts) scripts.set(host, await writeDoneScript(host.place.directory));
    const come = (host: StageHost): RunningHost => {
      const { directory, signal } = host.place;
      const told = ['--on-bt-download-complete', scripts.get(host) ?? ''];
      const process = host.place.start(`aria2c ${host.name}`, command(directory, ...told));
      const tree = join(directory, payload.name);
      const whole = untilDone(directory, process, { signal }).then((atMs) => ({ atMs, tree }));
      return runningHost({ process, whole });
    };
    let waiting: readonly StageHost[] = [];
    return {
      services: [tracker.process, seed],
      tracker: tracker.process,
      come,
      ready(hosts) {
        waiting = hosts;
        return Promise.resolve();
      },
      appear: () =>
        Promise.resolve({ atMs: monotonicMs(), seed, hosts: waiting.map((host) => come(host)) }),
    };
  },
};
