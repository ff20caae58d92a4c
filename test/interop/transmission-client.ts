import { hash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import * as z from 'zod';
import { decodeBencode, encodeBencode } from '../../src/image/index.ts';
import { eventually } from '../tools/eventually.ts';
import { freePort } from '../tools/free-port.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { introduce } from './introduce.ts';
import { JsonProcess } from './json-process.ts';
import type { TorrentClient, TorrentSource } from './torrent-client.ts';

const host = '127.0.0.1';
/** Of the protocol of its RPC: it fetches, it seeds. */
const status = { fetches: 4, seeds: 6 };

const answer = z.object({ result: z.string(), arguments: z.record(z.string(), z.unknown()) });
const states = z.object({
  torrents: z.array(
    z.object({
      status: z.number(),
      errorString: z.string(),
      percentDone: z.number(),
      metadataPercentComplete: z.number(),
      peersConnected: z.number(),
    }),
  ),
});
type State = z.output<typeof states>['torrents'][number];

/** transmission-daemon, told what to do by its RPC. It calls nobody at 127.0.0.1: see introduce. */
export const transmissionClient: TorrentClient = {
  name: 'transmission-daemon',
  makesEmptyFiles: false,

  async fetch(source, peer, into) {
    await using daemon = await Daemon.start();
    await daemon.add(source, into);
    await daemon.until('that it fetches', (state) => state.status === status.fetches);
    const meeting = new AbortController();
    try {
      await daemon.until('that it has all', async (state) => {
        if (state.percentDone === 1 && state.metadataPercentComplete === 1) return true;
        if (state.peersConnected === 0) {
          await introduce(daemon.endpoint, peer, infoHashOf(source), meeting.signal);
        }
        return false;
      });
    } finally {
      meeting.abort();
    }
  },

  async seed(torrent, directory) {
    const daemon = await Daemon.start();
    await daemon.add({ torrent }, directory);
    await daemon.until('that it seeds', (state) => state.status === status.seeds);
    return daemon.endpoint.port;
  },
};

function infoHashOf(source: TorrentSource): Buffer {
  if ('magnet' in source) {
    return Buffer.from(/urn:btih:([0-9a-f]{40})/.exec(source.magnet)?.[1] ?? '', 'hex');
  }
  const torrent = decodeBencode(source.torrent);
  const info = torrent instanceof Map ? torrent.get('info') : undefined;
  if (info === undefined) throw new Error('it is no .torrent');
  return hash('sha1', encodeBencode(info), 'buffer');
}

class Daemon implements AsyncDisposable {
  readonly endpoint: { host: string; port: number };
  readonly #process: JsonProcess;
  readonly #rpc: string;
  #session = '';

  private constructor(process: JsonProcess, ports: { peer: number; rpc: number }) {
    this.#process = process;
    this.endpoint = { host, port: ports.peer };
    this.#rpc = `http://${host}:${ports.rpc}/transmission/rpc`;
  }

  static async start(): Promise<Daemon> {
    const directory = await temporaryDirectory();
    const ports = { peer: await freePort(), rpc: await freePort() };
    await writeFile(join(directory, 'settings.json'), JSON.stringify(settings(directory, ports)));
    const args = ['--foreground', '--config-dir', directory];
    const daemon = new Daemon(
      new JsonProcess('transmission-daemon', args, 'transmission-daemon'),
      ports,
    );
    onTestFinished(() => daemon[Symbol.asyncDispose]());
    await eventually('transmission answers', () =>
      daemon.#ask('session-get', {}).catch(() => undefined),
    );
    return daemon;
  }

  async add(source: TorrentSource, directory: string): Promise<void> {
    const what =
      'magnet' in source
        ? { filename: source.magnet }
        : { metainfo: Buffer.from(source.torrent).toString('base64') };
    await this.#ask('torrent-add', { ...what, 'download-dir': directory });
  }

  /** Waits until the state of its torrent is as wanted. */
  async until(what: string, isSo: (state: State) => boolean | Promise<boolean>): Promise<void> {
    const fields = Object.keys(states.shape.torrents.element.shape);
    let last: State | undefined;
    await eventually(`transmission says ${what}`, async () => {
      last = states.parse(await this.#ask('torrent-get', { fields })).torrents[0];
      if (last !== undefined && last.errorString !== '') throw new Error(last.errorString);
      return (last !== undefined && (await isSo(last))) || undefined;
    }).catch((cause: unknown) => {
      const state = JSON.stringify(last);
      throw new Error(`not ${what}: ${state}\n${this.#process.said()}`, { cause });
    });
  }

  async #ask(method: string, args: object): Promise<Record<string, unknown>> {
    const response = await fetch(this.#rpc, {
      method: 'POST',
      headers: { 'X-Transmission-Session-Id': this.#session },
      body: JSON.stringify({ method, arguments: args }),
      signal: AbortSignal.timeout(10_000),
    });
    if (response.status === 409) {
      await response.body?.cancel();
      this.#session = response.headers.get('X-Transmission-Session-Id') ?? '';
      return this.#ask(method, args);
    }
    const said = answer.parse(await response.json());
    if (said.result !== 'success') throw new Error(`transmission: ${method}: ${said.result}`);
    return said.arguments;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

const settings = (directory: string, ports: { peer: number; rpc: number }) => ({
  'bind-address-ipv4': host,
  'bind-address-ipv6': '::1',
  'peer-port': ports.peer,
  'rpc-bind-address': host,
  'rpc-port': ports.rpc,
  'rpc-authentication-required': false,
  'rpc-host-whitelist-enabled': false,
  'download-dir': directory,
  'dht-enabled': false,
  'lpd-enabled': false,
  'pex-enabled': false,
  'utp-enabled': false,
  'port-forwarding-enabled': false,
  'blocklist-enabled': false,
  'rename-partial-files': false,
  'cache-size-mb': 0,
});
