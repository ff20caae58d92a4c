import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FetcherClient, type FetcherStatus } from '../../src/api/index.ts';
import type { StoredImage } from '../../src/image/index.ts';
import { eventually } from '../tools/eventually.ts';
import { writeMembers } from '../tools/members.ts';
import { KillableProgram } from './killable-program.ts';

/** What a fleet of the tests follows. */
export const followed = { app: 'app', channel: 'stable', path: 'app/stable' } as const;

export interface FleetInit {
  readonly seederArgs?: readonly string[];
  /** Its swarms are plain, and anybody may be in them. */
  readonly open?: boolean;
}

/**
 * A tracker and a seeder as processes of their own, which end with the test. Its swarms are sealed,
 * unless it is to be open.
 */
export class Fleet {
  readonly trackerUrl: string;
  readonly seeder: KillableProgram;
  readonly #directory: string;
  readonly #tokenPath: string;
  readonly #transportArgs: readonly string[];

  private constructor(
    directory: string,
    trackerUrl: string,
    tokenPath: string,
    transportArgs: readonly string[],
    seeder: KillableProgram,
  ) {
    this.#directory = directory;
    this.trackerUrl = trackerUrl;
    this.#tokenPath = tokenPath;
    this.#transportArgs = transportArgs;
    this.seeder = seeder;
  }

  /** Starts both. All images of `directory/store` are seeded. */
  static async start(directory: string, init: FleetInit = {}): Promise<Fleet> {
    const { seederArgs = [], open = false } = init;
    const keys = join(directory, 'keys');
    await new KillableProgram('seeder', ['keys', 'init', '--keys', keys]).result();
    const root = join(keys, 'root.json');
    const at = join(directory, 'tracker');
    const own = ['--host', '127.0.0.1', '--port', '0'];
    const tracker = new KillableProgram('tracker', ['serve', ...own, '--root', root, '--dir', at]);
    const { url, tokenPath } = await tracker.untilEvent('listening');
    const store = ['--store', join(directory, 'store')];
    const members = join(directory, 'members');
    const identities = [join(directory, 'seeder.key'), join(directory, 'host.key')] as const;
    await writeMembers(members, identities);
    const [seederArgsOfTransport, hostArgsOfTransport] = identities.map((identity) =>
      open ? ['--open'] : ['--members', members, '--identity', identity],
    ) as [string[], string[]];
    const to = [
      '--tracker',
      String(url),
      ...store,
      ...own,
      ...seederArgsOfTransport,
      ...seederArgs,
    ];
    const seeder = new KillableProgram('seeder', ['seed', ...to]);
    await seeder.untilEvent('seeding');
    return new Fleet(directory, String(url), String(tokenPath), hostArgsOfTransport, seeder);
  }

  async release(image: StoredImage): Promise<void> {
    const { app, channel } = followed;
    const to = ['--tracker', this.trackerUrl, '--token-file', this.#tokenPath];
    const from = [
      '--keys',
      join(this.#directory, 'keys'),
      '--store',
      join(this.#directory, 'store'),
    ];
    await new KillableProgram('seeder', [
      'release',
      app,
      channel,
      image.imageId,
      ...to,
      ...from,
    ]).result();
  }

  /** Ends the seeder. @returns the payload that it has sent to all, in bytes */
  async endSeeder(): Promise<number> {
    return Number((await this.seeder.end()).sentBytes);
  }

  /** The host of this fleet: its fetcher keeps all it has, but its identity, in `directory`. */
  host(directory: string, args: readonly string[] = []): FaultHost {
    const root = join(this.#directory, 'keys', 'root.json');
    const own = ['--host', '127.0.0.1', '--poll', '500ms', ...this.#transportArgs, ...args];
    return new FaultHost(directory, ['--tracker', this.trackerUrl, '--root', root, ...own]);
  }
}

/** A host whose fetcher may die. */
export class FaultHost {
  readonly directory: string;
  readonly #args: readonly string[];
  readonly #client: FetcherClient;

  constructor(directory: string, args: readonly string[]) {
    this.directory = directory;
    this.#args = args;
    this.#client = new FetcherClient({ socketPath: join(directory, 'fetcher.sock') });
  }

  get store(): string {
    return join(this.directory, 'store');
  }

  /** Where the generations of the followed channel are. */
  get channel(): string {
    return join(this.directory, 'apps', followed.app, followed.channel);
  }

  /** Starts its fetcher. */
  async start(): Promise<KillableProgram> {
    const state = join(this.directory, 'state');
    await mkdir(state, { recursive: true });
    const supply = ['--follow', followed.path, '--supply', `STATE=${state}`];
    return new KillableProgram('fetcher', [
      'run',
      ...this.#args,
      ...supply,
      '--dir',
      this.directory,
    ]);
  }

  /** What its fetcher says; undefined when none runs, or it ends just now. */
  async status(): Promise<FetcherStatus | undefined> {
    return await this.#client.status().catch(() => undefined);
  }

  /** Waits until the app of a version runs here and is healthy, and nothing is left to do. */
  async untilActive(version: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    const isActive = async () => {
      const channel = (await this.status())?.channels[0];
      if (channel?.state !== 'following') return undefined;
      const { state, version: active, healthy } = channel.activation;
      return active === version && state === 'running' && healthy === true ? true : undefined;
    };
    await eventually(`version ${version} is active`, isActive, { deadlineMs: 90_000, ...options });
  }
}
