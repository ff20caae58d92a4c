import { ConfigError } from '../errors.ts';
import type { ImageStore, TreeDurability } from '../image/index.ts';
import type { OriginBudget, Place } from '../policy/index.ts';
import type { Seal } from './seal.ts';
import type { SwarmInit } from './swarm.ts';
import type { SwarmStatus } from './swarm-status.ts';

export interface ExchangeComponents {
  readonly store: ImageStore;
  readonly durability: TreeDurability;
  /** A number from 0 to below 1; decides ties and the peer id. */
  readonly random: () => number;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

/** What an exchange needs of a seal. With a fleet `members` says nothing. */
export type ExchangeSeal = Pick<Seal, 'peerId' | 'tls' | 'members' | 'onChange' | 'onRenewal'> &
  Partial<Pick<Seal, 'fleet'>>;

export interface ExchangeInit {
  readonly host: string;
  /** Of the sealed listener, or, without a seal, of the plain one. 0: the system gives one. */
  readonly port: number;
  /** With it connections are sealed, and what this host opens always is. */
  readonly seal: ExchangeSeal | undefined;
  /** Whether ordinary BitTorrent clients may connect: plain, and whoever they are. */
  readonly open: boolean;
  /** The port for those, where there is a sealed listener too. */
  readonly openPort: number;
  /** How many threads carry the data; 0: the thread of the caller does. */
  readonly threads: number;
  readonly trackers: readonly string[];
  /** The only certificates that are believed of trackers of ours, in PEM; else those that the system knows. */
  readonly trackerAuthorities?: string | undefined;
  /** Where the same images lie for HTTP (BEP 19): the folder STORE/ID/, `{id}` stands for ID. */
  readonly webSeeds: readonly string[];
  /** What this host may take from web seeds where no tracker of ours decides. */
  readonly originBudget?: OriginBudget | undefined;
  /** Limits of all swarms together; Infinity: none. */
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  readonly maxConnections: number;
  /** What this host is called, for people. */
  readonly hostName?: string | undefined;
  /** Where it stands, as its operator says. */
  readonly place: Place;
  readonly onWarning?: ((message: string, error: unknown) => void) | undefined;
  readonly onChange?: ((status: SwarmStatus) => void) | undefined;
}

export const defaultExchangeInit: ExchangeInit = {
  host: '0.0.0.0',
  port: 0,
  seal: undefined,
  open: false,
  openPort: 0,
  threads: 1,
  trackers: [],
  webSeeds: [],
  uploadBytesPerSecond: Infinity,
  downloadBytesPerSecond: Infinity,
  maxConnections: 200,
  place: { zone: '', rack: '' },
};

export interface AppsInit {
  /**
   * The apps of which the image is, as far as this host knows. Only members whose credential allows one
   * of them are told of it, served, or asked; where none is known, only those that may have every app.
   */
  readonly apps?: readonly string[] | undefined;
}

/** What is known of an image that is to be fetched, beside its id. */
export type FetchInit = Pick<SwarmInit, 'infoBytes' | 'metainfo' | 'v1InfoHash' | 'v1'> & AppsInit;

/**
 * The same with defaults for what is not said.
 * @throws ConfigError CONFIG_MISSING when it is neither said who belongs nor that anybody does;
 * CONFIG_INVALID for a tracker that is no URL
 */
export function completeExchangeInit(given: Partial<ExchangeInit>): ExchangeInit {
  const init = { ...defaultExchangeInit, ...given };
  if (init.seal === undefined && !init.open) {
    throw new ConfigError(
      'CONFIG_MISSING',
      'say who belongs to the fleet, for a sealed swarm, or that it is open to anybody',
    );
  }
  init.trackers.forEach(checkTrackerUrl);
  return init;
}

function checkTrackerUrl(url: string): void {
  if (/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return;
  throw new ConfigError('CONFIG_INVALID', `"${url}" is not the http or https URL of a tracker`);
}
