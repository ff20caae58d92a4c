import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import {
  encodeTorrent,
  encodeV1Torrent,
  makeV1Torrent,
  type StoredImage,
} from '../../src/image/index.ts';
import { bakeSketch } from '../tools/baked-image.ts';
import { seededBytes } from '../tools/seeded-random.ts';
import { describeTree, type TreeSketch } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { aria2Client } from './aria2-client.ts';
import { describeWithProgram } from './installed.ts';
import { plainTree } from './plain-tree.ts';
import { startGatewayProgram } from './running-gateway.ts';
import type { TorrentClient } from './torrent-client.ts';
import { transmissionClient } from './transmission-client.ts';
import { fetchByTracker, webtorrentClient } from './webtorrent-client.ts';

const pieceSizeBytes = 32 << 10;
const sketch: TreeSketch = {
  large: seededBytes(1, 40 * pieceSizeBytes + 1_234),
  'lib/small': 'small',
  'lib/empty': '',
  'lib/caf\u00e9/\u{1f680}': 'beyond ASCII',
  'lib/piece': seededBytes(2, pieceSizeBytes),
  'bin/run': { executable: '#!/bin/sh\nexit 0\n' },
  'bin/also': { link: 'run' },
  programs: { link: 'bin' },
  zero: '',
};

const baked = async (hybrid: boolean, tree = sketch): Promise<StoredImage> =>
  bakeSketch(await temporaryDirectory(), tree, { hybrid, pieceSizeBytes });

const v1Of = async (image: StoredImage) => encodeV1Torrent(await makeV1Torrent(image));

async function expectFetched(
  into: string,
  image: StoredImage,
  client: TorrentClient,
): Promise<void> {
  const fetched = await plainTree(join(into, image.metainfo.info.name), client);
  expect(fetched).toEqual(await plainTree(image.tree, client));
}

const clients = [aria2Client, transmissionClient];

describe.each(clients)('$name, which can not read hybrids', (client) => {
  describeWithProgram(client.name, 'fetches a v2-only image through the gateway', () => {
    test('by its v1 torrent, byte for byte', async () => {
      const image = await baked(false);
      const gateway = await startGatewayProgram([image]);
      const into = await temporaryDirectory();
      await client.fetch({ torrent: await v1Of(image) }, gateway.peer, into);
      await expectFetched(into, image, client);
    });

    test('by the magnet link that the gateway tells', async () => {
      const image = await baked(false);
      const gateway = await startGatewayProgram([image]);
      const into = await temporaryDirectory();
      await client.fetch({ magnet: gateway.magnet }, gateway.peer, into);
      await expectFetched(into, image, client);
    });

    test('and seeds it to a second one by the same torrent', async () => {
      const image = await baked(false);
      const torrent = await v1Of(image);
      const port = await client.seed(torrent, join(image.tree, '..'));
      const into = await temporaryDirectory();
      await client.fetch({ torrent }, { host: '127.0.0.1', port }, into);
      await expectFetched(into, image, client);
    });
  });
});

describe('webtorrent fetches through the gateway', () => {
  test('a hybrid by TCP, as its v1 half', async () => {
    const image = await baked(true);
    const gateway = await startGatewayProgram([image]);
    expect(gateway.torrents[0]?.infoHash).toBe(image.metainfo.info.v1InfoHash?.toString('hex'));
    const into = await temporaryDirectory();
    await webtorrentClient.fetch({ torrent: encodeTorrent(image.metainfo) }, gateway.peer, into);
    await expectFetched(into, image, webtorrentClient);
  });

  test.each([
    { kind: 'a hybrid', hybrid: true },
    { kind: 'a v2-only image', hybrid: false },
  ])('$kind by WebRTC alone, with the magnet link alone', async ({ hybrid }) => {
    const image = await baked(hybrid);
    const gateway = await startGatewayProgram([image], ['--websocket-tracker', '0']);
    expect(gateway.websocketTracker).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    const into = await temporaryDirectory();
    const magnet = gateway.magnet.replace(/&tr=http%3A[^&]*/, '');
    expect(await fetchByTracker({ magnet }, into)).toEqual(['webrtc']);
    await expectFetched(into, image, webtorrentClient);
  });

  test("by TCP, when the gateway's own tracker tells of it", async () => {
    const image = await baked(false);
    const gateway = await startGatewayProgram([image], ['--websocket-tracker', '0']);
    const into = await temporaryDirectory();
    const magnet = gateway.magnet.replace(/&tr=ws%3A[^&]*/, '');
    expect(await fetchByTracker({ magnet }, into)).toEqual(['tcpOutgoing']);
    await expectFetched(into, image, webtorrentClient);
  });

  test('by TCP where the native library of WebRTC is missing, and the gateway says so', async () => {
    const image = await baked(false);
    const without = `import { registerHooks } from 'node:module';
      registerHooks({ resolve(name, context, next) {
        if (name.includes('node-datachannel')) throw new Error('no such binary');
        return next(name, context);
      } });`;
    const hook = `data:text/javascript,${encodeURIComponent(without)}`;
    const gateway = await startGatewayProgram([image], [], ['--import', hook]);
    expect(gateway.webRtc).toBe(false);
    expect(gateway.process.said()).toContain('no WebRTC: no such binary');
    const into = await temporaryDirectory();
    await webtorrentClient.fetch({ torrent: await v1Of(image) }, gateway.peer, into);
    await expectFetched(into, image, webtorrentClient);
  });
});

const handshakeStart = Buffer.from(`\x13BitTorrent protocol${'\0'.repeat(8)}`, 'latin1');
const ended = z.object({ event: z.literal('ended'), sentBytes: z.number() });

describe('the gateway', () => {
  test('leaves the store as it was, and ends at once and whole with peers connected', async () => {
    const image = await baked(true);
    const store = join(image.tree, '..', '..');
    const before = await describeTree(store);
    const gateway = await startGatewayProgram([image], ['--websocket-tracker', '0']);
    const into = await temporaryDirectory();
    await fetchByTracker({ magnet: gateway.magnet }, into);
    // Who stays connected: a browser at the tracker, a peer, and somebody who never says a word.
    const browser = new WebSocket(gateway.websocketTracker ?? '');
    await once(browser, 'open');
    const silent = connect(gateway.peer);
    const peer = connect(gateway.peer);
    const infoHash = Buffer.from(gateway.torrents[0]?.infoHash ?? '', 'hex');
    peer.write(Buffer.concat([handshakeStart, infoHash, Buffer.from('-XX0000-who stays xx')]));
    await once(peer, 'data');
    const closed = [once(browser, 'close'), once(silent, 'close'), once(peer, 'close')];
    const started = performance.now();
    gateway.process.kill('SIGTERM');
    const { sentBytes } = await gateway.process.take(ended, 'that it ended');
    expect(await gateway.process.ended()).toBe('exit code 0');
    await Promise.all(closed);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(sentBytes).toBeGreaterThan(image.metainfo.info.sizeBytes);
    expect(await describeTree(store)).toEqual(before);
  });
});
