import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { writeMembers } from '../tools/members.ts';
import { resultOf, type JsonObject } from './ended-program.ts';
import { RunningProgram, type ProgramEvent } from './running-program.ts';
import { seededBytes } from '../tools/seeded-random.ts';
import { writeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';

const channel = 'hello/stable';
const server = `
const { readFileSync } = require('node:fs');
const { health, version } = JSON.parse(readFileSync('release.json', 'utf8'));
require('node:http').createServer((request, response) => {
  if (request.url === '/health') response.statusCode = health;
  response.setHeader('connection', 'close').end(JSON.stringify({ version, pid: process.pid }));
}).listen(process.env.PORT, '127.0.0.1');
`;

export interface BakedImage {
  readonly id: string;
  readonly bytes: number;
  readonly version: string;
  readonly magnet: string;
}

/** A fetcher of the fleet, and the port of the application that it runs. */
export interface TestHost {
  readonly directory: string;
  readonly appPort: number;
  /** What its flags are; for a fetcher that takes its place. */
  readonly args: readonly string[];
  readonly fetcher: RunningProgram;
}

/** The hosts of a fleet that are members of its sealed swarm; any other is a stranger. */
const hostNames = ['host', 'one', 'two'] as const;

/**
 * A tracker with its keys, and what is needed to bake, seed, release and follow; all real. Its swarms
 * are sealed: seeder and hosts have identities, and its members file names them.
 */
export class TestFleet {
  readonly directory: string;
  readonly tracker: RunningProgram;
  readonly url: string;
  readonly tokenPath: string;

  /** Where the keys and root.json are. */
  readonly keys: string;
  /** The file that names the seeder and the hosts. */
  readonly members: string;

  private constructor(
    directory: string,
    keys: string,
    members: string,
    tracker: RunningProgram,
    listening: ProgramEvent,
  ) {
    this.directory = directory;
    this.members = members;
    this.keys = keys;
    this.tracker = tracker;
    this.url = String(listening.url);
    this.tokenPath = String(listening.tokenPath);
  }

  /**
   * Makes keys, if none are given, and identities, and starts a tracker, which signs snapshot and
   * timestamp itself if it `isOnline`. All of it is gone when the test is over.
   */
  static async start(
    init: { readonly keys?: string; readonly isOnline?: boolean } = {},
  ): Promise<TestFleet> {
    const directory = await temporaryDirectory();
    const keys = init.keys ?? join(directory, 'keys');
    const online = init.isOnline === true ? ['--online', await onlineKey(directory)] : [];
    if (init.keys === undefined)
      await resultOf('seeder', ['keys', 'init', '--keys', keys, ...online]);
    const members = join(directory, 'members');
    await writeMembers(members, [
      seederIdentity(directory),
      ...hostNames.map((name) => hostIdentity(directory, name)),
    ]);
    const tracker = startTracker(directory, keys, String(await freePort()));
    const listening = await tracker.untilEvent('listening');
    return new TestFleet(directory, keys, members, tracker, listening);
  }

  get root(): string {
    return join(this.keys, 'root.json');
  }

  get store(): string {
    return join(this.directory, 'store');
  }

  /** Where the tracker keeps the TUF repository, root and token. */
  get trackerDirectory(): string {
    return join(this.directory, 'tracker');
  }

  /** Starts the tracker again, in the same directory and at the same port. */
  async startTrackerAgain(): Promise<RunningProgram> {
    const tracker = startTracker(this.directory, this.keys, new URL(this.url).port);
    await tracker.untilEvent('listening');
    return tracker;
  }

  /** Bakes one version of a small HTTP server, which is most of a MiB that never changes. */
  async bake(version: string, init: { readonly healthy?: boolean } = {}): Promise<BakedImage> {
    const tree = join(this.directory, `app-${version}`);
    const { healthy = true } = init;
    await writeTree(tree, {
      'server.cjs': server,
      'payload.bin': seededBytes(1, 1_000_000),
      'release.json': JSON.stringify({ version, health: healthy ? 200 : 503 }),
      '.starling/image.json': JSON.stringify({
        start: ['node', 'server.cjs'],
        health: {
          type: 'http',
          url: 'http://127.0.0.1:${PORT}/health',
          intervalMs: 100,
          timeoutMs: 5_000,
          deadlineMs: healthy ? 60_000 : 3_000,
        },
        needs: { PORT: { type: 'port' } },
      }),
    });
    const names = ['--name', 'hello', '--version', version];
    const image = await resultOf('seeder', ['bake', tree, ...names, '--store', this.store]);
    const { id, bytes, magnet } = image as { id: string; bytes: number; magnet: string };
    return { id, bytes, magnet, version };
  }

  /** What `seeder release` and `seeder keys renew` are told of whom and how. */
  publishArgs(more: { readonly keys?: string; readonly tokenFile?: string } = {}): string[] {
    const { keys = this.keys, tokenFile = this.tokenPath } = more;
    const how = ['--keys', keys, '--token-file', tokenFile];
    return ['--tracker', this.url, ...how];
  }

  /** Releases an image, to hello/stable unless told otherwise. */
  release(image: BakedImage, init: { readonly channel?: string } = {}): Promise<JsonObject> {
    return resultOf('seeder', [...this.releaseArgs(image, init.channel), ...this.publishArgs()]);
  }

  releaseArgs(image: BakedImage, channel = 'stable'): string[] {
    return ['release', 'hello', channel, image.id, '--store', this.store];
  }

  /** What tells a program who belongs to the fleet, and that it is this host, or the seeder. */
  sealedArgs(name: 'seeder' | (typeof hostNames)[number]): string[] {
    const { directory } = this;
    const identity = name === 'seeder' ? seederIdentity(directory) : hostIdentity(directory, name);
    return ['--members', this.members, '--identity', identity];
  }

  /** Seeds what is in the store now. */
  async seed(
    args: readonly string[] = [],
  ): Promise<{ seeder: RunningProgram; port: number; openPort: number | undefined }> {
    const where = ['--store', this.store, '--tracker', this.url, '--host', '127.0.0.1'];
    const sealed = this.sealedArgs('seeder');
    const seeder = new RunningProgram('seeder', ['seed', ...where, ...sealed, ...args]);
    endWithTest(seeder);
    const { port, openPort } = await seeder.untilEvent('seeding');
    return { seeder, port: Number(port), openPort: openPort as number | undefined };
  }

  /** Starts a fetcher that follows hello/stable; with a name that is none of the hosts', a stranger. */
  async follow(
    name: string,
    init: { readonly tracker?: string; readonly args?: readonly string[] } = {},
  ): Promise<TestHost> {
    const directory = join(this.directory, name);
    const appPort = await freePort();
    const args = [
      ...['run', '--tracker', init.tracker ?? this.url, '--root', this.root, '--dir', directory],
      ...['--follow', channel, '--supply', `PORT=${appPort}`, '--host', '127.0.0.1'],
      ...['--poll', '200ms', '--members', this.members, ...(init.args ?? [])],
    ];
    return { directory, appPort, args, fetcher: await startFetcher(args) };
  }

  /** Starts a fetcher again where one has ended. */
  async followAgain(host: TestHost): Promise<TestHost> {
    return { ...host, fetcher: await startFetcher(host.args) };
  }
}

const seederIdentity = (directory: string): string => join(directory, 'seeder.key');

/** Where a fetcher has its identity when nothing else is said. */
const hostIdentity = (directory: string, name: string): string =>
  join(directory, name, 'identity.key');

async function onlineKey(directory: string): Promise<string> {
  const made = await resultOf('tracker', ['online-key', '--dir', join(directory, 'tracker')]);
  return String(made.publicKey);
}

function startTracker(directory: string, keys: string, port: string): RunningProgram {
  const where = ['--dir', join(directory, 'tracker'), '--root', join(keys, 'root.json')];
  const often = ['--announce-interval', '1s'];
  const tracker = new RunningProgram('tracker', ['serve', '--port', port, ...where, ...often]);
  endWithTest(tracker);
  return tracker;
}

async function startFetcher(args: readonly string[]): Promise<RunningProgram> {
  const fetcher = new RunningProgram('fetcher', args);
  endWithTest(fetcher);
  await fetcher.untilEvent('running');
  return fetcher;
}

function endWithTest(program: RunningProgram): void {
  onTestFinished(async () => {
    await program.end();
  });
}

/** Waits until this version is active on a host. */
export function untilActive(
  { fetcher }: TestHost,
  { version }: { version: string },
): Promise<ProgramEvent> {
  return fetcher.until(`version ${version} active`, (event) => {
    const release = event.release as { version: string } | undefined;
    return event.event === 'active' && release?.version === version;
  });
}

/** Asks the application of a host which version it is; one that was just started gets some time. */
export async function askApp({ appPort }: TestHost): Promise<{ version: string; pid: number }> {
  for (let triesLeft = 300; ; triesLeft--) {
    try {
      const response = await fetch(`http://127.0.0.1:${appPort}/`);
      return (await response.json()) as { version: string; pid: number };
    } catch (error) {
      if (triesLeft === 0) throw error;
      await delay(100);
    }
  }
}

/**
 * Where ports are looked for: below those that the system gives out by itself. A port that was
 * found is not held, and one of those might be somebody's connection a moment later.
 */
const portRange = { first: 10_000, count: 10_000 };

/** A port that nothing listens at. */
export async function freePort(): Promise<number> {
  for (let triesLeft = 100; ; triesLeft--) {
    const port = portRange.first + Math.floor(Math.random() * portRange.count);
    const found = createServer();
    try {
      found.listen(port, '127.0.0.1');
      await once(found, 'listening');
    } catch (error) {
      if (triesLeft === 0) throw error;
      continue;
    }
    found.close();
    await once(found, 'close');
    return port;
  }
}
