import type { FleetProgress, SwarmHost, SwarmProgressSummary } from '../src/api/index.ts';
import type { Counts, Standing } from './announcement.ts';
import { endpointAddress, endpointPort } from './peer-address.ts';
import type { ListedHost, SwarmTable } from './swarm-table.ts';

type Progress = NonNullable<Standing['progress']>;

const noSources: Progress['sources'] = { rack: 0, zone: 0, fleet: 0, origin: 0, reused: 0 };
/** Hosts say what they like: so many states are told apart. */
const maxStates = 16;

/** A swarm and how far its hosts are; undefined when nobody is in it. */
export function summarizeSwarm(
  swarms: SwarmTable,
  infoHash: string,
  nowMs: number,
): SwarmProgressSummary | undefined {
  const counts = swarms.counts(infoHash, nowMs);
  if (counts === undefined) return undefined;
  const progress = summarizeHosts(swarms.hosts(infoHash, nowMs));
  return { ...describeCounts(infoHash, counts), progress };
}

export const describeCounts = (infoHash: string, { seeds, downloaders, completed }: Counts) => ({
  infoHash: hex(infoHash),
  seeds,
  downloaders,
  completed,
});

/** Each host weighs the same, whatever it says that the image has of pieces. */
function summarizeHosts(listed: Iterable<ListedHost>): FleetProgress {
  const states = new Map<string, number>();
  const sources = { ...noSources };
  let hosts = 0;
  let shares = 0;
  let receivedBytesPerSecond = 0;
  for (const host of listed) {
    hosts += 1;
    shares += shareOf(host);
    const { progress } = host.standing;
    const said = stateOf(progress);
    const state = states.has(said) || states.size < maxStates ? said : 'other';
    states.set(state, (states.get(state) ?? 0) + 1);
    if (progress === undefined) continue;
    // Who has become whole tells nothing new for a while; what it told last is over.
    if (host.leftBytes > 0) receivedBytesPerSecond += progress.receivedBytesPerSecond;
    for (const source of sourceNames) sources[source] += progress.sources[source];
  }
  // Sums of large numbers must stay numbers that JSON and clients can hold.
  for (const source of sourceNames) sources[source] = held(sources[source]);
  return {
    hosts,
    states: Object.fromEntries(states),
    verifiedShare: hosts === 0 ? 0 : shares / hosts,
    receivedBytesPerSecond: held(Math.round(receivedBytesPerSecond)),
    sources,
  };
}

const sourceNames = Object.keys(noSources) as (keyof Progress['sources'])[];

const held = (sum: number): number => Math.min(sum, Number.MAX_SAFE_INTEGER);

function shareOf({ leftBytes, standing: { progress } }: ListedHost): number {
  if (leftBytes === 0) return 1;
  const { pieces = 0, verifiedPieces = 0 } = progress ?? {};
  return pieces === 0 ? 0 : Math.min(1, verifiedPieces / pieces);
}

const stateOf = (progress: Progress | undefined): string => progress?.state ?? 'unknown';

export function describeHost(listed: ListedHost, nowMs: number): SwarmHost {
  const { endpoint, leftBytes, lastSeenMs, standing } = listed;
  const { host, place, progress } = standing;
  return {
    host,
    ...describeEndpoint(endpoint),
    ...place,
    role: leftBytes === 0 ? 'seed' : 'downloader',
    state: stateOf(progress),
    pieces: progress?.pieces ?? 0,
    verifiedPieces: progress?.verifiedPieces ?? 0,
    receivedBytesPerSecond: Math.round(progress?.receivedBytesPerSecond ?? 0),
    sources: progress?.sources ?? noSources,
    lastSeenAgoMs: Math.max(0, Math.round(nowMs - lastSeenMs)),
  };
}

export const describeEndpoint = (endpoint: string): { address: string; port: number } => ({
  address: endpointAddress(endpoint),
  port: endpointPort(endpoint),
});

/** Whether a host that said one thing and now another has another state or other pieces. */
export function hasMoved(before: Standing | undefined, now: Standing): boolean {
  if (before === undefined) return true;
  const [old, fresh] = [before.progress, now.progress];
  return (
    old?.state !== fresh?.state ||
    old?.pieces !== fresh?.pieces ||
    old?.verifiedPieces !== fresh?.verifiedPieces
  );
}

export const hex = (binary: string): string => Buffer.from(binary, 'latin1').toString('hex');
