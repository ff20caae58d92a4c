import { tmpdir } from 'node:os';
import type { PayloadKind } from '../payload/index.ts';

/** What is carried, between which folders, and by how many. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly payload: PayloadKind;
  readonly medium: 'memory' | 'disk';
  /** Starts the names of ratios, so that those of the main scenario are short. */
  readonly ratioPrefix: string;
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'file-memory',
    title: 'one large file, memory to memory',
    payload: 'file',
    medium: 'memory',
    ratioPrefix: '',
  },
  {
    name: 'file-disk',
    title: 'one large file, disk to disk',
    payload: 'file',
    medium: 'disk',
    ratioPrefix: 'disk/',
  },
  {
    name: 'small-files-memory',
    title: 'small files, memory to memory',
    payload: 'small-files',
    medium: 'memory',
    ratioPrefix: 'smallFiles/',
  },
  {
    name: 'small-files-disk',
    title: 'small files, disk to disk',
    payload: 'small-files',
    medium: 'disk',
    ratioPrefix: 'smallFilesDisk/',
  },
];

/** Four fetchers of ours from one seed, beside one: what the seed's work is by the byte. */
export const fourFetchers = 'four-fetchers';

export interface EngineConfig {
  /** Names of scenarios; also `fourFetchers`. */
  readonly scenarios: readonly string[];
  /** Names of peers. */
  readonly peers: readonly string[];
  readonly rounds: number;
  /** The large file. */
  readonly sizeBytes: number;
  /** How many small files there are. */
  readonly smallFiles: number;
  readonly memoryDir: string;
  readonly diskDir: string;
  /** How long one process may live. A slow peer fails by it, and the bench goes on. */
  readonly deadlineMs: number;
  readonly seed: string;
}

export const defaultConfig: EngineConfig = {
  scenarios: [...scenarios.map(({ name }) => name), fourFetchers],
  peers: [
    'sealed',
    'open',
    'libtorrent',
    'libtorrent-tuned',
    'libtorrent-v1',
    'webtorrent',
    'aria2c',
    'transmission',
    'http',
    'http-openssl',
  ],
  rounds: 3,
  sizeBytes: 1 << 30,
  smallFiles: 20_000,
  memoryDir: '/dev/shm',
  diskDir: tmpdir(),
  deadlineMs: 300_000,
  seed: 'starling',
};

/** Under a minute in all, for whoever wants to know whether a change cost anything. */
export const quickConfig: Partial<EngineConfig> = {
  scenarios: ['file-memory'],
  peers: ['sealed', 'open', 'libtorrent', 'webtorrent'],
  sizeBytes: 256 << 20,
  deadlineMs: 20_000,
};
