import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import * as z from 'zod';
import { freePort } from '../tools/free-port.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { JsonProcess } from './json-process.ts';
import { onePeerTracker, withTracker } from './one-peer-tracker.ts';
import type { TorrentClient, TorrentSource } from './torrent-client.ts';

const offline = [
  '--no-conf',
  '--interface=127.0.0.1',
  '--disable-ipv6',
  '--enable-dht=false',
  '--enable-dht6=false',
  '--bt-enable-lpd=false',
  '--enable-peer-exchange=false',
  '--file-allocation=none',
];
const seeding = z.string().regex(/SEED\(/);

/** aria2c. It can't be told a peer, only a tracker: so it is given one that names the peer. */
export const aria2Client: TorrentClient = {
  name: 'aria2c',
  makesEmptyFiles: true,

  async fetch(source, peer, into) {
    await fetchByTracker(withTracker(source, await onePeerTracker(peer)), into);
  },

  async seed(torrent, directory) {
    const port = await freePort();
    const endless = ['--check-integrity=true', '--seed-ratio=0.0', '--summary-interval=1'];
    const aria2 = await start({ torrent }, directory, [...endless, `--listen-port=${port}`]);
    await aria2.take(seeding, 'that it seeds');
    return port;
  },
};

/** Fetches with aria2c from whom the trackers of the source name. */
export async function fetchByTracker(source: TorrentSource, into: string): Promise<void> {
  const aria2 = await start(source, into, ['--seed-time=0']);
  const ended = await aria2.ended();
  if (ended !== 'exit code 0') throw new Error(`aria2c ended with ${ended}: ${aria2.said()}`);
}

async function start(
  source: TorrentSource,
  directory: string,
  args: readonly string[],
): Promise<JsonProcess> {
  let what: string;
  if ('magnet' in source) {
    what = source.magnet;
  } else {
    what = join(await temporaryDirectory(), 'some.torrent');
    await writeFile(what, source.torrent);
  }
  const port = args.some((arg) => arg.startsWith('--listen-port')) ? [] : [await listenPort()];
  const all = [...offline, ...port, ...args, `--dir=${directory}`, what];
  const aria2 = new JsonProcess('aria2c', all, 'aria2c');
  onTestFinished(() => aria2[Symbol.asyncDispose]());
  return aria2;
}

const listenPort = async (): Promise<string> => `--listen-port=${await freePort()}`;
