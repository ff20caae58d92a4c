import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { openHostIdentity } from '../../../src/trust/sealed.ts';
import { ownProgram } from '../../process/index.ts';
import {
  runningHost,
  type OpenSwarm,
  type RunningHost,
  type Stage,
  type StageHost,
  type SwarmPeer,
} from '../swarm-peer.ts';
import { rackFlags } from './rack-option.ts';
import { SwarmTracker } from './swarm-tracker.ts';

const seeding = z.object({ event: z.literal('seeding') });
const fetched = z.object({ event: z.literal('fetched') });
const swarmFigures = { receivedBytes: z.number(), verifiedBytes: z.number() };
const looking = z.object({ event: z.literal('swarm'), swarm: z.object(swarmFigures) });
const fetching = z.object({
  event: z.literal('swarm'),
  swarm: z.object({ state: z.literal('fetching'), ...swarmFigures }),
});
const nothing = { receivedBytes: 0, verifiedBytes: 0 };

const channel = { app: 'swarm', name: 'stable' } as const;
const port = ['--port', '6881'] as const;

/**
 * Starling as a fleet runs it, sealed: `fetcher run` on every host, which goes on seeding. The
 * hosts have learnt of the release and look for the image; it appears when the seeder starts.
 */
export const starling: SwarmPeer = {
  name: 'starling',
  ours: true,
  swarms: true,
  missing: () => undefined,
  async open(stage: Stage): Promise<OpenSwarm> {
    const { payload, hosts, seed } = stage;
    const tracker = await SwarmTracker.start(stage.tracker);
    const membership = await makeMembers(stage);
    const common = ['--tracker', tracker.url, ...port];
    await release(stage, tracker);
    const running = new Map<StageHost, RunningHost>();
    const come = (host: StageHost): RunningHost => {
      const { directory } = host.place;
      const tree = join(directory, 'store', payload.imageId, payload.name);
      const follow = ['--root', tracker.root, '--follow', `${channel.app}/${channel.name}`];
      const own = ['--dir', directory, '--host', host.address, ...rackFlags(host.rack)];
      const args = ['run', ...common, ...follow, ...own, ...membership.flagsOf(host.name)];
      const process = host.place.start(host.name, ownProgram('fetcher', ...args));
      const whole = process
        .line(fetched, 'that it has the image')
        .then(({ atMs }) => ({ atMs, tree }));
      return runningHost({
        process,
        whole,
        report: () => process.last(looking)?.swarm ?? nothing,
        keptBytes: async () =>
          (await process.line(fetching, 'that it fetches')).value.swarm.verifiedBytes,
      });
    };
    return {
      services: [tracker.process],
      tracker: tracker.process,
      come,
      async ready(these) {
        for (const host of these) running.set(host, come(host));
        const all = [...running.values()];
        await Promise.all(
          all.map(({ process }) => process.line(looking, 'that it looks for the image')),
        );
      },
      async appear() {
        const own = ['--store', payload.store, '--host', seed.address];
        const args = ['seed', payload.imageId, ...common, ...own, ...membership.flagsOf(seed.name)];
        const process = seed.place.start('seeder', ownProgram('seeder', ...args));
        const { atMs } = await process.line(seeding, 'that it seeds');
        const ready = hosts.map((host) => running.get(host));
        return { atMs, seed: process, hosts: ready.filter((host) => host !== undefined) };
      },
    };
  },
};

/** Makes the identities of all, and the list of them. */
async function makeMembers({ seed, hosts }: Stage) {
  const { directory } = seed.place;
  const fileOf = (name: string) => join(directory, `${name}.identity`);
  const ids: string[] = [];
  for (const { name } of [seed, ...hosts]) {
    const { identity } = await openHostIdentity(fileOf(name), { now: new Date() });
    ids.push(identity.peerId);
  }
  const members = join(directory, 'members');
  await writeFile(members, ids.map((id) => `${id}\n`).join(''));
  return {
    flagsOf: (name: string) => ['--members', members, '--identity', fileOf(name)],
  };
}

async function release({ payload, ...stage }: Stage, tracker: SwarmTracker): Promise<void> {
  const to = ['release', channel.app, channel.name, payload.imageId, '--store', payload.store];
  const token = ['--token-file', tracker.tokenPath, '--token-in-clear'];
  const how = ['--tracker', tracker.url, ...token, '--keys', tracker.keys];
  const process = stage.tracker.place.start('seeder release', ownProgram('seeder', ...to, ...how));
  await process.succeeded();
}
