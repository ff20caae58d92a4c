import { mkdir, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { AnnounceTracker } from '../announce-tracker.ts';
import type { BenchPeer, Fetch } from '../bench-peer.ts';
import {
  freePort,
  missingProgram,
  type Place,
  untilDone,
  writeDoneScript,
} from '../../process/index.ts';
import type { Payload } from '../../payload/index.ts';
import { TransmissionRpc } from './transmission-rpc.ts';

/** Transmission believes in no peer at a loopback address. */
const ownAddress = (): string | undefined =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

const settings = {
  'dht-enabled': false,
  'lpd-enabled': false,
  'pex-enabled': false,
  'utp-enabled': false,
  'port-forwarding-enabled': false,
  // Plain where the other side allows it.
  encryption: 0,
  'cache-size-mb': 64,
  preallocation: 0,
  'incomplete-dir-enabled': false,
  'rename-partial-files': false,
  'download-queue-enabled': false,
  'seed-queue-enabled': false,
  'ratio-limit-enabled': false,
  'idle-seeding-limit-enabled': false,
  'speed-limit-down-enabled': false,
  'speed-limit-up-enabled': false,
  'rpc-bind-address': '127.0.0.1',
  'rpc-whitelist-enabled': false,
  'rpc-authentication-required': false,
  'watch-dir-enabled': true,
  'start-added-torrents': true,
} as const;

/** transmission-daemon: v1; it asks a tracker of ours, and finds the torrent in its watch folder. */
export const transmission: BenchPeer = {
  name: 'transmission',
  ours: false,
  missing() {
    if (ownAddress() === undefined) return 'this machine has no address but loopback';
    return missingProgram('transmission-daemon');
  },
  async seed(payload, place) {
    const tracker = await AnnounceTracker.start(place, ownAddress() ?? '');
    const torrent = payload.v1.withTracker(tracker.announceUrl);
    const at = await configure(place.directory, { torrent, downloads: payload.parent });
    const process = place.start('transmission seed', at.command);
    // Else it verifies what it sends while it sends.
    await new TransmissionRpc(at.rpcPort).verifyAll(place);
    await tracker.untilSeeded(payload.v1.infoHash, process, place);
    const fetcherAt = await configure(join(place.directory, 'fetcher'), { torrent });
    return {
      process,
      fetch: (fetchPlace) => fetch(fetcherAt, payload, fetchPlace),
    };
  },
};

interface Configuration {
  readonly directory: string;
  readonly downloads: string;
  readonly rpcPort: number;
  readonly command: [string, ...string[]];
}

/** Writes the configuration of a daemon that has one torrent. */
async function configure(
  directory: string,
  init: { torrent: Buffer; downloads?: string },
): Promise<Configuration> {
  const [config, watched] = [join(directory, 'config'), join(directory, 'watched')];
  const { downloads = join(directory, 'downloads') } = init;
  for (const path of [config, watched]) await mkdir(path, { recursive: true });
  const doneScript = await writeDoneScript(directory);
  const rpcPort = await freePort();
  const own = {
    ...settings,
    'download-dir': downloads,
    'watch-dir': watched,
    'peer-port': await freePort(),
    'rpc-port': rpcPort,
    'script-torrent-done-enabled': true,
    'script-torrent-done-filename': doneScript,
  };
  await writeFile(join(config, 'settings.json'), JSON.stringify(own));
  await writeFile(join(watched, 'payload.torrent'), init.torrent);
  const command = ['transmission-daemon', '--foreground', '--config-dir', config] as const;
  return { directory, downloads, rpcPort, command: [...command] };
}

function fetch(at: Configuration, payload: Payload, place: Place): Fetch {
  const command: [string, ...string[]] = [...at.command, '--download-dir', place.directory];
  const process = place.start('transmission fetcher', command);
  const tree = join(place.directory, payload.name);
  const done = untilDone(at.directory, process, place).then((atMs) => ({ atMs, tree }));
  return { process, ends: false, done };
}
