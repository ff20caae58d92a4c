import { test } from 'vitest';
import { makeV1Torrent } from '../../../src/image/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { LyingPeer } from '../../tools/lying-peer.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

test.each(['image', 'v1-only torrent'] as const)(
  'a peer hears that it may ask, and again when it is interested: a seed of the %s',
  async (what) => {
    const directory = await temporaryDirectory();
    const image = await bakeSketch(directory, { file: 'of a few bytes' });
    const torrent = await makeV1Torrent(image);
    const seed = await openExchange(directory);
    if (what === 'image') seed.exchange.seed(image);
    else seed.exchange.seedV1(image, torrent);
    const peer = await LyingPeer.open(image, { pieces: [] });
    const infoHash = what === 'image' ? peer.infoHash : torrent.layout.infoHash;
    await peer.dial(seed.endpoint, infoHash);
    await peer.until(({ received }) => received.unchokes === 1);
    peer.say({ type: 'interested' });
    await peer.until(({ received }) => received.unchokes === 2);
  },
);
