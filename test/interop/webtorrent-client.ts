import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import * as z from 'zod';
import type { TorrentClient, TorrentSource } from './torrent-client.ts';
import { JsonProcess } from './json-process.ts';

/** What webtorrent-process.ts is told. */
export type WebTorrentTask = ({ readonly torrent: string } | { readonly magnet: string }) & {
  readonly directory: string;
  /** `host:port` of a TCP peer. */
  readonly peer?: string;
  /**
   * Whether it encrypts connections (PE): 0 never. By default it opens with it, and does not try
   * again without; what it accepts may be plain.
   */
  readonly secure?: 0;
};

const listening = z.object({ event: z.literal('listening'), port: z.int().min(1) });
const whole = z.object({ event: z.literal('whole'), transports: z.array(z.string()) });

/** webtorrent 3, in a process of its own. */
export const webtorrentClient: TorrentClient = {
  name: 'webtorrent',
  makesEmptyFiles: false,

  async fetch(source, peer, into) {
    await using client = start(source, { directory: into, peer: `${peer.host}:${peer.port}` });
    await client.take(whole, 'that it has all');
  },

  async seed(torrent, directory) {
    const client = start({ torrent }, { directory });
    await client.take(whole, 'that it found all');
    const { port } = await client.take(listening, 'where it listens');
    return port;
  },
};

/** webtorrent that does not encrypt, as our open listener needs it. */
export const plainWebtorrentClient: TorrentClient = {
  ...webtorrentClient,

  async fetch(source, peer, into) {
    const rest = { directory: into, peer: `${peer.host}:${peer.port}`, secure: 0 } as const;
    await using client = start(source, rest);
    await client.take(whole, 'that it has all');
  },
};

/**
 * Fetches with webtorrent from whom the trackers of the source name.
 * @returns by what it was connected: `webrtc`, `tcpOutgoing`, `tcpIncoming`
 */
export async function fetchByTracker(source: TorrentSource, into: string): Promise<string[]> {
  await using client = start(source, { directory: into });
  return (await client.take(whole, 'that it has all')).transports;
}

function start(
  source: TorrentSource,
  rest: Omit<WebTorrentTask, 'torrent' | 'magnet'>,
): JsonProcess {
  const client = new JsonProcess(process.execPath, [
    join(import.meta.dirname, 'webtorrent-process.ts'),
  ]);
  onTestFinished(() => client[Symbol.asyncDispose]());
  const what =
    'magnet' in source ? source : { torrent: Buffer.from(source.torrent).toString('base64') };
  client.tell({ ...what, ...rest } satisfies WebTorrentTask);
  return client;
}
