import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { onTestFinished, expect, test } from 'vitest';
import { startGateway, type GatewayInit } from '../../../seeder/gateway/gateway.ts';
import { ownTrackerUrls } from '../../../seeder/gateway/tracker-urls.ts';
import { bakeSketch, storeIn } from '../../tools/baked-image.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const host = '127.0.0.1';

async function start(init: Partial<GatewayInit> = {}, signal?: AbortSignal) {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, { some: 'bytes' }, { hybrid: true });
  const gateway = await startGateway(
    { store: storeIn(join(directory, 'store')) },
    {
      images: [image.imageId],
      host,
      port: 0,
      trackers: [],
      websocketTrackerPort: undefined,
      uploadBytesPerSecond: Infinity,
      onWarning: () => undefined,
      ...init,
    },
    { signal },
  );
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  return { image, gateway };
}

async function takenPort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const announce = (url: string, infoHash: Uint8Array): Promise<Response> => {
  const hash = [...infoHash].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  return fetch(`${url}?info_hash=${hash}&peer_id=-XX0000-123456789012&port=1&left=1&compact=1`);
};

test('a hybrid has the v1 info-hash of its own dictionary, and a magnet link with all trackers', async () => {
  const trackers = ['http://127.0.0.1:9/announce'];
  const { image, gateway } = await start({ trackers, websocketTrackerPort: 0 });
  const infoHash = image.metainfo.info.v1InfoHash?.toString('hex');
  const [torrent] = gateway.torrents;
  expect(torrent).toMatchObject({ id: image.imageId, infoHash });
  const magnet = new URLSearchParams(torrent?.magnet.slice('magnet:?'.length));
  expect(magnet.get('xt')).toBe(`urn:btih:${infoHash}`);
  expect(magnet.getAll('tr')).toHaveLength(3);
  expect(magnet.getAll('tr').slice(0, 2)).toEqual([...trackers, gateway.websocketTracker]);
});

test('its tracker knows the torrents that are offered, and no others', async () => {
  const { image, gateway } = await start({ websocketTrackerPort: 0 });
  const url = `${gateway.websocketTracker?.replace('ws:', 'http:')}/announce`;
  const own = await announce(url, image.metainfo.info.v1InfoHash ?? Buffer.alloc(20));
  expect(await own.text()).toContain('8:interval');
  const other = await announce(url, Buffer.alloc(20, 7));
  expect(await other.text()).toContain('this torrent is not offered here');
});

test('the ports are free again when it has ended, and ending twice does no harm', async () => {
  const { gateway } = await start({ websocketTrackerPort: 0 });
  const port = Number(new URL(gateway.websocketTracker ?? '').port);
  await gateway[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
  for (const free of [gateway.port, port]) {
    const server = createServer().listen(free, host);
    await once(server, 'listening');
    server.close();
  }
});

test.each(['port', 'websocketTrackerPort'] as const)(
  'a %s that is taken is named',
  async (which) => {
    const port = await takenPort();
    await expect(start({ [which]: port })).rejects.toMatchObject({
      name: 'ConfigError',
      code: 'CONFIG_IN_USE',
      evidence: { port },
    });
  },
);

test('an address that this machine does not have, and a tracker that is none, are refused', async () => {
  await expect(start({ host: '203.0.113.7' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  const trackers = ['tracker.example:80'];
  await expect(start({ trackers })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('an image that is not in the store is an error before anything listens', async () => {
  const { image } = await start();
  const other = `${image.imageId.slice(0, -2)}aa`;
  await expect(start({ images: [other] })).rejects.toMatchObject({ name: 'ImageError' });
});

test('a signal ends the start', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(start({}, signal)).rejects.toThrow('enough');
});

test('where it listens everywhere, others know its tracker by the name of its host', () => {
  expect(ownTrackerUrls('::1', 80).public).toEqual(['ws://[::1]:80', 'http://[::1]:80/announce']);
  const everywhere = ownTrackerUrls('0.0.0.0', 80);
  expect(everywhere.announce).toEqual(['ws://127.0.0.1:80']);
  expect(everywhere.webSocket).not.toContain('0.0.0.0');
});
