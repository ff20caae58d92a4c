import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { announce } from '../../src/swarm/announce.ts';
import type { StoredImage } from '../../src/image/index.ts';
import type { Lie } from '../tools/lies.ts';
import { LyingPeer } from '../tools/lying-peer.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { Fleet } from './fleet.ts';
import { examineHost } from './host-damage.ts';
import { appSketch, bakeVersion } from './versions.ts';

const ownKib = 3 << 10;

/** Lies about the content; and the control, who tells the truth and is not dropped. */
const told = ['wrongBlocks', 'oneWrongBlockAPiece', 'none'] as const satisfies Lie[];

test.each(told)(
  'a fetcher beside a real seeder and a peer that tells %s activates the very image',
  async (lie) => {
    const directory = await temporaryDirectory();
    const image = await bakeVersion(directory, 1, appSketch(1, ownKib));
    // The seeder is slow, so that the other is asked as well.
    // And the swarm is open: of a sealed one this peer would be no member.
    const fleet = await Fleet.start(directory, {
      open: true,
      seederArgs: ['--upload-limit', '1MiB'],
    });
    const liar = await LyingPeer.open(image, { lie });
    await announceSeed(fleet.trackerUrl, image, liar.endpoint.port);
    await fleet.release(image);
    const host = fleet.host(join(directory, 'host'));
    const fetcher = await host.start();
    await liar.until(({ asked }) => asked.blocks > 0);
    if (lie !== 'none') await liar.dropped();
    const askedBefore = liar.asked.blocks;
    await host.untilActive('1.0.0');
    // It was banned: nothing was asked of it again.
    if (lie !== 'none') expect(liar.asked.blocks).toBe(askedBefore);
    await fetcher.end();
    expect(await examineHost(host.channel, host.store)).toMatchObject({ damage: [], number: 1 });
    expect(await fleet.endSeeder()).toBeGreaterThan(0);
  },
  120_000,
);

/** Tells the tracker of a peer that has the whole image. */
async function announceSeed(url: string, image: StoredImage, port: number): Promise<void> {
  await announce(url, {
    infoHash: image.metainfo.info.infoHash.subarray(0, 20),
    peerId: randomBytes(20),
    port,
    sealed: false,
    uploadedBytes: 0,
    downloadedBytes: 0,
    leftBytes: 0,
    event: 'started',
    wanted: 0,
  });
}
