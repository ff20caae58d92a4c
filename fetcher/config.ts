import type { OriginBudget } from '../src/policy/index.ts';
import { defaultExchangeInit, type ExchangeInit } from '../src/swarm/index.ts';
import type { ActivationConfig } from './activation-config.ts';

export interface FetcherConfig {
  readonly directory: string;
  readonly trackers: readonly string[];
  /** The only certificates that are believed of the trackers, in PEM; else those that the system knows. */
  readonly trackerAuthorities?: string | undefined;
  /** Where images also lie for HTTP, `{id}` for the image id. */
  readonly webSeeds: readonly string[];
  /** What this host may take from web seeds where no tracker of ours decides. */
  readonly originBudget?: OriginBudget | undefined;
  /** The text of the pinned root.json. */
  readonly root: string;
  readonly follow: readonly { readonly app: string; readonly channel: string }[];
  /** Values for what manifests need, by name. */
  readonly supplies: ReadonlyMap<string, string>;
  /** Who may connect, and how many threads carry the data. */
  readonly transport: Pick<ExchangeInit, 'seal' | 'open' | 'openPort' | 'threads'> &
    Partial<Pick<ExchangeInit, 'place' | 'hostName'>>;
  readonly host: string;
  readonly port: number;
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  /** How often the tracker is asked for news; each pause is shortened by up to a quarter, at random. */
  readonly pollMs: number;
  /** How many generations are kept beside the current one and the one to go back to. */
  readonly keepGenerations: number;
  readonly activation: Partial<ActivationConfig>;
}

export const defaultConfig = {
  directory: 'starling-fetcher',
  webSeeds: [],
  follow: [],
  supplies: new Map<string, string>(),
  host: defaultExchangeInit.host,
  port: 0,
  uploadBytesPerSecond: Infinity,
  downloadBytesPerSecond: Infinity,
  pollMs: 5_000,
  keepGenerations: 1,
  activation: {},
} satisfies Partial<FetcherConfig>;
