import { expect, test } from 'vitest';
import { bakeSketch } from '../../tools/baked-image.ts';
import { LyingPeer } from '../../tools/lying-peer.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';
import { ourAnswer, PlayedTracker } from './played-tracker.ts';

test('a host whose neighbour dies asks its tracker at once for another, and fetches from that', async () => {
  const image = await bakeSketch(await temporaryDirectory(), { data: seededBytes(1, 1 << 20) });
  const [neighbour, spare] = [
    await LyingPeer.open(image, { pieces: [0] }),
    await LyingPeer.open(image),
  ];
  const [tie, other] = [neighbour, spare].map(({ endpoint }) => ({ ...endpoint, isWhole: false }));
  const tracker = await PlayedTracker.open((asked) => {
    const [claim] = asked.batch?.swarms ?? [];
    const spares = claim?.missing === undefined ? [] : [other!];
    return ourAnswer(asked, (swarm) => ({ ...swarm, peers: [tie!], spares }));
  });
  const host = await openExchange(await temporaryDirectory(), { trackers: [tracker.url] });
  const swarm = host.exchange.fetch(image.imageId);
  await host.until(({ verifiedPieces }) => verifiedPieces === 1);
  await neighbour[Symbol.asyncDispose]();
  await swarm.completed;
  expect(spare.connections).toBe(1);
  const claims = tracker.asked.map(({ batch }) => batch?.swarms[0]?.missing);
  expect(claims).toContain(1);
});
