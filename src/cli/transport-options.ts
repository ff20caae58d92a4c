import { availableParallelism } from 'node:os';
import { ConfigError } from '../errors.ts';
import type { ExchangeInit } from '../swarm/index.ts';
import { identityOption, membersOption, openOption, openPortOption } from './options.ts';
import { Option, type Command } from './program.ts';
import { parseInteger } from './units.ts';

/** How a program speaks with peers, as its options say. */
export interface TransportOptions {
  readonly members?: string;
  readonly identity?: string;
  readonly open?: boolean;
  readonly openPort: number;
  readonly threads: number;
}

const maxThreads = 64;
/** More threads than these help only hosts with very fast networks, and each has its memory. */
const mostByDefault = 4;

/** One core is for the main thread and for what else the host does. */
const defaultThreads = (): number =>
  Math.max(1, Math.min(mostByDefault, availableParallelism() - 1));

/** Adds the options that say who may connect, and how many threads carry the data. */
export function addTransportOptions(command: Command): Command {
  return command
    .addOption(membersOption())
    .addOption(identityOption())
    .addOption(openOption())
    .addOption(openPortOption())
    .addOption(
      new Option('--threads <count>', 'threads that carry data; 0: the main thread does')
        .argParser((text: string) => parseInteger(text, 0, maxThreads))
        .env('STARLING_THREADS')
        .default(defaultThreads(), 'by the cores'),
    );
}

/**
 * Makes of the options what an exchange needs; what has to be closed goes to `resources`.
 * @param identityPath the identity when no other is said
 * @throws ConfigError CONFIG_MISSING when it is not said who belongs, nor that anybody does
 */
export async function openTransport(
  options: TransportOptions,
  identityPath: string,
  resources: AsyncDisposableStack,
  onWarning: (message: string, error: unknown) => void,
): Promise<Pick<ExchangeInit, 'seal' | 'open' | 'openPort' | 'threads'>> {
  const { members: membersPath, open = false, openPort, threads } = options;
  if (membersPath === undefined) {
    if (open) return { seal: undefined, open, openPort, threads };
    throw new ConfigError(
      'CONFIG_MISSING',
      'say who belongs to the fleet: --members FILE, a peer id a line (the command `identity` prints one); or, where anybody may fetch and serve, --open',
    );
  }
  const { Seal } = await import('../swarm/index.ts');
  const init = { identityPath: options.identity ?? identityPath, membersPath, onWarning };
  const seal = resources.use(await Seal.open(init));
  return { seal, open, openPort, threads };
}
