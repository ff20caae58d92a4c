import { join } from 'node:path';
import type { Log } from '../../fetcher/guard.ts';
import { Activation } from '../../fetcher/activation.ts';
import type { OpenReport } from '../../fetcher/activation-types.ts';
import { durable, type Durability } from '../../src/image/index.ts';

interface HostActivationInit {
  /** The directory of the host; its images are in `store` below it. */
  readonly host: string;
  readonly durability: Durability;
  readonly log: Log;
}

/** Where the generations of such a host are. */
export const channelOf = (host: string): string => join(host, 'apps');

/** Opens what a host activates, for a test that does without a fetcher. */
export async function openActivation(init: HostActivationInit): Promise<Activation> {
  const activation = makeActivation(init);
  await activation.open({ signal: new AbortController().signal });
  return activation;
}

/** What opening the host mends, and what is current then. */
export async function openOnce(host: string, log: Log): Promise<OpenReport> {
  await using activation = makeActivation({ host, durability: durable, log });
  return await activation.open({ signal: new AbortController().signal });
}

function makeActivation({ host, durability, log }: HostActivationInit): Activation {
  return new Activation(
    { durability, log, now: () => new Date(), random: Math.random },
    {
      directory: channelOf(host),
      app: 'app',
      channel: 'stable',
      supplies: new Map(),
      keepGenerations: 0,
    },
  );
}
