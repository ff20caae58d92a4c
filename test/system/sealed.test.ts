import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../tools/eventually.ts';
import { describeTree } from '../tools/tree-sketch.ts';
import { failureOf, resultOf } from './ended-program.ts';
import { TestFleet, untilActive, type BakedImage, type TestHost } from './test-fleet.ts';

/** A change of the members file counts after two looks at it, a second apart. */
const cutOffWithinMs = 6_000;

interface SwarmView {
  readonly imageId: string;
  readonly state: string;
  readonly reason?: string;
  readonly peers: number;
  readonly verifiedBytes: number;
  readonly receivedBytes: number;
}

async function swarmOf({ directory }: TestHost, image: BakedImage): Promise<SwarmView | undefined> {
  const status = await resultOf('fetcher', ['status', '--dir', directory]);
  return (status.swarms as SwarmView[]).find(({ imageId }) => imageId === image.id);
}

const peerIdOf = async (directory: string): Promise<string> =>
  String((await resultOf('fetcher', ['identity', '--dir', directory])).peerId);

test('a fetcher that is not in the members file gets nothing, is told why, and harms nobody', async () => {
  const fleet = await TestFleet.start();
  const image = await fleet.bake('1.0.0');
  const { seeder, port } = await fleet.seed();
  await fleet.release(image);

  // It has the same files as the others, but for its own name in the list.
  const stranger = await fleet.follow('stranger');
  const strangerId = await peerIdOf(stranger.directory);
  const alone = await eventually('it says why it has no peers', async () => {
    const swarm = await swarmOf(stranger, image);
    return swarm?.reason === undefined ? undefined : swarm;
  });
  expect(alone).toMatchObject({ state: 'metadata', peers: 0, receivedBytes: 0 });
  expect(alone.reason).toBe(
    `this host, ${strangerId}, is not in its members file, so others refuse it`,
  );

  // And one that lists itself is no member for the others.
  const own = join(fleet.directory, 'own-members');
  await writeFile(own, `${await readFile(fleet.members, 'utf8')}${strangerId}\n`);
  await stranger.fetcher.end();
  const forger = await fleet.follow('stranger', { args: ['--members', own] });
  const refused = await eventually('it says that others refuse it', async () => {
    const swarm = await swarmOf(forger, image);
    return swarm?.reason === undefined ? undefined : swarm;
  });
  expect(refused).toMatchObject({ state: 'metadata', peers: 0, receivedBytes: 0 });
  expect(refused.reason).toContain(`127.0.0.1:${port} closed the connection before it answered`);
  expect(refused.reason).toContain(`perhaps this host, ${strangerId}, is no member there`);
  expect(seeder.stderr).toContain(`${strangerId} is not a member of this fleet`);

  // Nor does plain BitTorrent get anything out of a sealed listener.
  const plain = ['--open', '--peer', `127.0.0.1:${port}`, '--dir', join(fleet.directory, 'plain')];
  const failure = await failureOf('fetcher', ['fetch', image.id, ...plain, '--deadline', '3s']);
  expect(failure).toMatchObject({ exit: 4, code: 'DEADLINE_PASSED' });

  // The seeder serves on.
  const host = await fleet.follow('host');
  await untilActive(host, image);
  expect((await swarmOf(forger, image))?.receivedBytes).toBe(0);
  await seeder.end();
  expect(seeder.events.at(-1)).toMatchObject({ event: 'ended', sentBytes: image.bytes });
});

test('a member that is taken out of the file is cut off within seconds, and its status says why', async () => {
  const fleet = await TestFleet.start();
  const image = await fleet.bake('1.0.0');
  const { seeder, port } = await fleet.seed(['--upload-limit', '50kB']);
  // Its own list stays as it was: it learns of it from the others alone.
  const own = join(fleet.directory, 'own-members');
  await writeFile(own, await readFile(fleet.members));
  const host = await fleet.follow('host', { args: ['--members', own] });
  const hostId = await peerIdOf(host.directory);
  await fleet.release(image);
  await eventually('some of it is here', async () => {
    const { receivedBytes = 0 } = (await swarmOf(host, image)) ?? {};
    return receivedBytes > 0 ? true : undefined;
  });

  const members = (await readFile(fleet.members, 'utf8')).split('\n');
  await writeFile(fleet.members, members.filter((line) => line !== hostId).join('\n'));
  const changedMs = performance.now();
  const isCutOff = async () => {
    const swarm = await swarmOf(host, image);
    return swarm?.peers === 0 ? true : undefined;
  };
  await eventually('it is cut off', isCutOff, { deadlineMs: cutOffWithinMs });
  process.stderr.write(
    `sealed.test: cut off after ${((performance.now() - changedMs) / 1_000).toFixed(1)} s\n`,
  );
  const cutOff = await eventually('it says why', async () => {
    const swarm = await swarmOf(host, image);
    return swarm?.reason?.includes('no member there') === true ? swarm : undefined;
  });
  expect(cutOff.state).toBe('fetching');
  expect(cutOff.reason).toContain(`127.0.0.1:${port} closed the connection before it answered`);
  expect(cutOff.verifiedBytes).toBeLessThan(image.bytes);
  expect(seeder.stderr).toContain(`${hostId} is not a member any more`);

  // Taken in again, it gets the rest.
  await fleet.seed();
  await writeFile(fleet.members, members.join('\n'));
  await untilActive(host, image);
});

test('an ordinary client is served at the open port, beside members at the sealed one', async () => {
  const fleet = await TestFleet.start();
  const image = await fleet.bake('1.0.0');
  const { port, openPort } = await fleet.seed(['--open']);
  expect(openPort).not.toBe(port);
  const source = await describeTree(join(fleet.store, image.id, 'hello'));
  const fetch = async (name: string, ...how: string[]) => {
    const where = ['--dir', join(fleet.directory, name), '--host', '127.0.0.1'];
    const { tree } = await resultOf('fetcher', ['fetch', image.id, ...where, ...how]);
    return await describeTree(String(tree));
  };
  expect(await fetch('client', '--open', '--peer', `127.0.0.1:${openPort}`)).toEqual(source);
  const tracker = ['--tracker', fleet.url];
  expect(await fetch('finder', '--open', ...tracker)).toEqual(source);
  expect(await fetch('member', ...fleet.sealedArgs('host'), ...tracker)).toEqual(source);
});

test('without --open there is no open port', async () => {
  const fleet = await TestFleet.start();
  await fleet.bake('1.0.0');
  expect((await fleet.seed()).openPort).toBeUndefined();
});
