import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { monotonicMs } from '../process/index.ts';
import type { ShapedNetwork } from './network/index.ts';
import { copiesOf } from './payload-rate.ts';
import type { RunningSwarm } from './running-swarm.ts';
import type { Fault } from './scenario.ts';
import { untilHolds } from './watch.ts';

export interface FaultContext {
  readonly swarm: RunningSwarm;
  readonly network: ShapedNetwork;
  readonly imageBytes: number;
  readonly boundSeconds: number;
  /** What had come over the links to all hosts before time zero. */
  readonly before: { readonly hostBytes: number };
}

const out = z.object({ event: z.literal('out') });
/** The tracker goes when this part of the bound has passed. */
const trackerDiesAt = 0.5;
/** Hosts are killed when this part of all copies has come. */
const restartAt = 0.4;
/** Every so many-th host is. */
const restartEvery = 3;

type Options = { readonly signal: AbortSignal };

/** Does to a swarm what is to be done to it, when it is time. @throws when it came too late */
export const faults: Readonly<
  Record<Fault, (context: FaultContext, options: Options) => Promise<void>>
> = {
  async 'seed-leaves'({ swarm }) {
    await swarm.seed.line(out, 'that each piece is at another host');
    await swarm.seed.send('SIGKILL');
  },

  async 'tracker-dies'({ swarm, boundSeconds }, { signal }) {
    const atMs = swarm.zeroMs + boundSeconds * trackerDiesAt * 1_000;
    await delay(Math.max(0, atMs - monotonicMs()), undefined, { signal });
    await swarm.tracker?.send('SIGKILL');
  },

  async 'hosts-restart'({ swarm, network, imageBytes, before }, options) {
    const { hosts } = swarm;
    await untilHolds(async () => {
      const bytes = (await hostBytes(network, hosts)) - before.hostBytes;
      return copiesOf(bytes, imageBytes) >= restartAt * hosts.length;
    }, options);
    const killed = hosts.filter((_, index) => index % restartEvery === 0);
    await Promise.all(killed.map((host) => swarm.restart(host)));
  },
};

/** What was sent to hosts over their links. */
export async function hostBytes(
  network: ShapedNetwork,
  hosts: readonly { readonly name: string }[],
): Promise<number> {
  const counts = await network.countsAtSwitch();
  return hosts.reduce((sum, { name }) => sum + (counts.get(name)?.bytes ?? 0), 0);
}
