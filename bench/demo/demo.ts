import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { formatBytes, formatDuration, parseRate } from '../../src/cli/index.ts';
import { lowerBound } from '../../src/policy/index.ts';
import { buildApplication, type ApplicationVersion } from './build-application.ts';
import { Host } from './host.ts';
import { LiveView } from './live-view.ts';
import { ProgramProcess, runProgram } from './program-process.ts';
import { resultTable, type TransferResult } from './result-table.ts';

const hostCount = 8;
const rate = '200Mbit';
const channel = { app: 'hello', name: 'stable' };

const versions = {
  first: { version: '1.0.0', message: 'hello from the first version', healthy: true },
  second: { version: '2.0.0', message: 'hello from the second version', healthy: true },
  broken: { version: '3.0.0', message: 'never seen', healthy: false },
} as const satisfies Record<string, ApplicationVersion>;

interface Baked extends ApplicationVersion {
  readonly id: string;
  readonly bytes: number;
  readonly pieces: number;
}

interface Fleet {
  readonly hosts: readonly Host[];
  readonly release: (image: Baked) => Promise<void>;
}

/**
 * The main job on this machine with real processes: one tracker, one seeder, eight fetchers, each
 * limited to 200 Mbit/s, in one sealed swarm. Three releases: to all hosts, an update that fetches only what changed,
 * and one that is not healthy, from which all hosts go back.
 * @param resources takes the processes that are started, for the caller to end
 * @throws when anything is not as it should be
 */
export async function runDemo(
  directory: string,
  resources: AsyncDisposableStack,
  say: (text: string) => void,
): Promise<void> {
  const baked = await bakeAll(directory, say);
  const fleet = await startFleet(directory, resources, say);

  say(
    `\nRelease 1, version ${baked.first.version}: to all hosts, each at ${rate} up and down, sealed`,
  );
  const first = await deliver(fleet, baked.first);
  await checkAnswers(fleet, baked.first);
  say(resultTable(first));
  check(
    first.hosts.every(({ reusedBytes }) => reusedBytes === 0),
    'nothing was here to reuse',
  );

  say(`\nRelease 2, version ${baked.second.version}: only what changed is fetched`);
  const second = await deliver(fleet, baked.second);
  await checkAnswers(fleet, baked.second);
  say(resultTable(second));
  for (const host of second.hosts) {
    check(
      host.receivedBytes < baked.second.bytes / 20 && host.reusedBytes > 0.95 * baked.second.bytes,
      `${host.name} fetched ${formatBytes(host.receivedBytes)} for an update of a few kilobytes`,
    );
  }

  say(`\nRelease 3, version ${baked.broken.version}: its health check fails, so all hosts go back`);
  await fleet.release(baked.broken);
  await Promise.all(fleet.hosts.map((host) => host.untilFailed(baked.broken.version)));
  await checkAnswers(fleet, baked.second);
  await checkGenerations(fleet, baked);
  say(`  all ${hostCount} hosts answer as version ${baked.second.version} again`);
}

async function bakeAll(
  directory: string,
  say: (text: string) => void,
): Promise<Record<keyof typeof versions, Baked>> {
  const bake = async (version: ApplicationVersion): Promise<Baked> => {
    const tree = join(directory, `build-${version.version}`);
    await buildApplication(tree, version);
    const startedMs = performance.now();
    const args = ['bake', tree, '--name', 'hello', '--version', version.version];
    const { id, bytes, files, pieces } = await runProgram('seeder', [
      ...args,
      '--store',
      join(directory, 'seeder'),
    ]);
    const took = formatDuration(performance.now() - startedMs);
    say(
      `  version ${version.version}: ${Number(files)} files, ${formatBytes(Number(bytes))}, baked in ${took}\n    ${String(id)}`,
    );
    return { ...version, id: String(id), bytes: Number(bytes), pieces: Number(pieces) };
  };
  say('Baking three versions of an application: a server, its packages, and the Node that runs it');
  return {
    first: await bake(versions.first),
    second: await bake(versions.second),
    broken: await bake(versions.broken),
  };
}

async function startFleet(
  directory: string,
  resources: AsyncDisposableStack,
  say: (text: string) => void,
): Promise<Fleet> {
  say(`\nStarting one tracker, one seeder and ${hostCount} fetchers`);
  const keys = join(directory, 'keys');
  const store = join(directory, 'seeder');
  await runProgram('seeder', ['keys', 'init', '--keys', keys]);
  const root = join(keys, 'root.json');
  const trackerArgs = ['serve', '--port', '0', '--root', root, '--dir', join(directory, 'tracker')];
  const tracker = resources.use(new ProgramProcess('tracker', trackerArgs));
  const { url, tokenPath } = await tracker.until('listening', isEvent('listening'));
  const common = ['--tracker', String(url), '--host', '127.0.0.1', '--upload-limit', rate];
  const names = Array.from({ length: hostCount }, (_, index) => `host-${index + 1}`);
  const identity = join(directory, 'seeder.key');
  const members = await nameMembers(directory, identity, names);
  say(`  transfers are sealed: TLS 1.3, between the seeder and the hosts that ${members} names`);
  common.push('--members', members);
  const seed = ['seed', '--store', store, '--identity', identity, ...common];
  const seeder = resources.use(new ProgramProcess('seeder', seed));
  const seeding = await seeder.until('seeding', isEvent('seeding'));
  const ports = await freePorts(hostCount);
  const hosts = names.map((name, index) => {
    const appPort = ports[index] ?? 0;
    const at = join(directory, name);
    const follow = ['--root', root, '--follow', `${channel.app}/${channel.name}`, '--dir', at];
    const limits = ['--download-limit', rate, '--supply', `PORT=${appPort}`, '--poll', '500ms'];
    const seederPort = () => Number(seeding.port);
    const args = [...common, ...follow, ...limits];
    return resources.use(new Host({ name, appPort, directory: at, args, seederPort }));
  });
  await Promise.all(hosts.map((host) => host.fetcher.until('running', isEvent('running'))));
  const release = async (image: Baked): Promise<void> => {
    const to = ['release', channel.app, channel.name, image.id];
    const how = ['--tracker', String(url), '--token-file', String(tokenPath), '--keys', keys];
    await runProgram('seeder', [...to, ...how, '--store', store]);
  };
  return { hosts, release };
}

/** Makes the identities of the seeder and of all hosts. @returns the file that lists them */
async function nameMembers(
  directory: string,
  seederIdentity: string,
  names: readonly string[],
): Promise<string> {
  const made = await Promise.all([
    runProgram('seeder', ['identity', '--identity', seederIdentity]),
    ...names.map((name) => runProgram('fetcher', ['identity', '--dir', join(directory, name)])),
  ]);
  const path = join(directory, 'members');
  await writeFile(path, made.map(({ peerId }) => `${String(peerId)}\n`).join(''));
  return path;
}

/** Releases an image and waits until every host runs it. */
async function deliver(fleet: Fleet, image: Baked): Promise<TransferResult> {
  await fleet.release(image);
  const releasedMs = performance.now();
  const view = new LiveView(fleet.hosts, image.id);
  try {
    await Promise.all(fleet.hosts.map((host) => host.untilActive(image.version)));
  } finally {
    view.stop();
  }
  const hosts = fleet.hosts.map((host) => ({
    name: host.name,
    ...host.transfer(image.id),
    activeAfterMs: (host.transfer(image.id).activeMs ?? NaN) - releasedMs,
  }));
  const fetchedBytes = Math.max(...hosts.map(({ receivedBytes }) => receivedBytes));
  const bytesPerSecond = parseRate(rate);
  const links = { upBytesPerSecond: bytesPerSecond, downBytesPerSecond: bytesPerSecond };
  const bound = lowerBound(
    { seeds: [links], hosts: hosts.map(() => links) },
    {
      sizeBytes: fetchedBytes,
      pieceCount: Math.max(1, Math.round((image.pieces * fetchedBytes) / image.bytes)),
    },
  );
  const begun = Math.min(...hosts.map(({ startedMs }) => startedMs ?? NaN));
  const whole = Math.max(...hosts.map(({ wholeMs }) => wholeMs ?? NaN));
  return { hosts, swarmMs: whole - begun, boundMs: bound * 1_000 };
}

async function checkAnswers(fleet: Fleet, image: ApplicationVersion): Promise<void> {
  for (const host of fleet.hosts) {
    const answer = await host.ask();
    check(
      answer.version === image.version && answer.message === image.message,
      `${host.name} answers as version ${answer.version ?? '?'} instead of ${image.version}`,
    );
  }
}

/** Every host has noted that the third version failed, and runs the second. */
async function checkGenerations(fleet: Fleet, baked: Record<string, Baked>): Promise<void> {
  for (const host of fleet.hosts) {
    const { generations } = (await runProgram('fetcher', [
      'generations',
      '--dir',
      host.directory,
    ])) as { generations?: { version: string; state: string; current: boolean }[] };
    const current = generations?.find((generation) => generation.current);
    const failed = generations?.find(({ version }) => version === baked.broken?.version);
    check(
      current?.version === baked.second?.version && failed?.state === 'failed',
      `${host.name} has not gone back: ${JSON.stringify(generations)}`,
    );
  }
}

function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(`not as it should be: ${otherwise}`);
}

const isEvent =
  (name: string) =>
  (event: { event?: string }): boolean =>
    event.event === name;

/** Where to look for ports: below those that the system gives to outgoing connections. */
const portRange = { first: 20_000, count: 10_000 };

/** Ports that nothing listens at. They are not held, so they must not be those of the system. */
async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  let port = portRange.first + Math.floor(Math.random() * portRange.count);
  while (ports.length < count) {
    port = port + 1 < portRange.first + portRange.count ? port + 1 : portRange.first;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen(port, '127.0.0.1', () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
