import { availableParallelism, hostname } from 'node:os';
import { ConfigError } from '../errors.ts';
import type { Place } from '../policy/index.ts';
import type { ExchangeInit, FleetInit, Seal } from '../swarm/index.ts';
import {
  credentialOption,
  fleetOption,
  identityOption,
  membersOption,
  openOption,
  openPortOption,
  revocationsOption,
} from './options.ts';
import { Option, type Command } from './program.ts';
import { parseInteger } from './units.ts';

/** How a program speaks with peers, as its options say. */
export interface TransportOptions {
  readonly members?: string;
  readonly fleet?: string;
  readonly credential?: string;
  readonly revocations?: string;
  readonly identity?: string;
  readonly open?: boolean;
  readonly openPort: number;
  readonly threads: number;
  readonly zone: string;
  readonly rack: string;
  readonly hostName: string;
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
    .addOption(fleetOption())
    .addOption(credentialOption())
    .addOption(revocationsOption())
    .addOption(identityOption())
    .addOption(openOption())
    .addOption(openPortOption())
    .addOption(
      new Option('--threads <count>', 'threads that carry data; 0: the main thread does')
        .argParser((text: string) => parseInteger(text, 0, maxThreads))
        .env('STARLING_THREADS')
        .default(defaultThreads(), 'by the cores'),
    )
    .addOption(placeOption('zone', 'what lies in one zone has fast links within'))
    .addOption(
      placeOption('rack', 'within its zone; of a rack only a few hosts fetch from outside'),
    )
    .addOption(
      new Option('--host-name <name>', 'what this host is called where the tracker lists it')
        .argParser(parseLabel)
        .env('STARLING_HOST_NAME')
        .default(ownName(), "the system's"),
    );
}

const placeOption = (name: 'zone' | 'rack', what: string): Option =>
  new Option(`--${name} <name>`, `where this host stands: ${what}`)
    .argParser(parseLabel)
    .env(`STARLING_${name.toUpperCase()}`)
    .default('', 'none');

const maxLabelLength = 64;

/** @throws ConfigError for what a tracker would not take as the name of a place or host */
function parseLabel(text: string): string {
  if (/^[\w.-]*$/.test(text) && text.length <= maxLabelLength) return text;
  const rule = `letters, digits, . _ and -, ${maxLabelLength} at most`;
  throw new ConfigError('CONFIG_INVALID', `"${text}" is no name for a place or a host: ${rule}`);
}

/** Systems may have names that a tracker would not take. */
const ownName = (): string =>
  hostname()
    .replace(/[^\w.-]/g, '_')
    .slice(0, maxLabelLength);

/** Of an exchange: how it speaks, and what it says of this host. */
export type TransportInit = Pick<
  ExchangeInit,
  'seal' | 'open' | 'openPort' | 'threads' | 'place' | 'hostName'
>;

/**
 * Makes of the options what an exchange needs; what has to be closed goes to `resources`.
 * @param identityPath the identity when no other is said
 * @param opened what seals connections, where the control plane says who belongs
 * @throws ConfigError CONFIG_MISSING when it is not said who belongs, nor that anybody does;
 *   CONFIG_INVALID when it is said in two ways
 */
export async function openTransport(
  options: TransportOptions,
  identityPath: string,
  resources: AsyncDisposableStack,
  onWarning: (message: string, error: unknown) => void,
  opened?: Seal,
): Promise<TransportInit> {
  const { open = false, openPort, threads, hostName } = options;
  const init = { open, openPort, threads, hostName };
  const place = (seal: Seal) => placeOf(options, seal.fleet?.claims?.labels, onWarning);
  if (opened !== undefined) return { ...init, seal: opened, place: place(opened) };
  const members = membersOf(options);
  if (members === undefined) {
    const { zone, rack } = options;
    if (open) return { ...init, seal: undefined, place: { zone, rack } };
    throw new ConfigError(
      'CONFIG_MISSING',
      'say who belongs to the fleet: --members FILE, a peer id a line (the command `identity` prints one); or --fleet ID --credential FILE; or, where anybody may fetch and serve, --open',
    );
  }
  const { Seal } = await import('../swarm/index.ts');
  const sealInit = { identityPath: options.identity ?? identityPath, onWarning, ...members };
  const seal = resources.use(await Seal.open(sealInit));
  return { ...init, seal, place: place(seal) };
}

/**
 * Where this host stands: as its credential says, by which rollouts and preheats know it too; and where that
 * says nothing, as its options do.
 */
function placeOf(
  options: Pick<TransportOptions, 'zone' | 'rack'>,
  labels: Readonly<Record<string, string>> = {},
  onWarning: (message: string, error: unknown) => void,
): Place {
  const of = (name: 'zone' | 'rack'): string => {
    const [label = '', option] = [labels[name], options[name]];
    if (label !== '' && option !== '' && label !== option) {
      const why = `this host's credential says ${name} ${label}`;
      onWarning(`${why}, which holds; --${name} ${option} is left aside`, undefined);
    }
    return label === '' ? option : label;
  };
  return { zone: of('zone'), rack: of('rack') };
}

type MembersInit = { readonly membersPath: string } | { readonly fleet: FleetInit };

/** By what members are known, if they are. */
function membersOf(options: TransportOptions): MembersInit | undefined {
  const { members, fleet: fleetId, credential, revocations } = options;
  if (fleetId === undefined) {
    const without = credential ?? revocations;
    if (without === undefined) return members === undefined ? undefined : { membersPath: members };
    throw new ConfigError('CONFIG_MISSING', `${without} is of which fleet? Add --fleet ID`);
  }
  if (members !== undefined) {
    throw new ConfigError(
      'CONFIG_INVALID',
      'members are known by a file, or by the credentials of a fleet: give --members or --fleet, not both',
    );
  }
  if (credential === undefined) {
    throw new ConfigError(
      'CONFIG_MISSING',
      'say what this host shows the others of its fleet: --credential FILE',
    );
  }
  return { fleet: { fleetId, credentialPath: credential, revocationsPath: revocations } };
}
