import { once } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { ConfigError } from '../src/errors.ts';

/** Where a fetcher keeps things, all below the directory that it was given. */
export class FetcherDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  /** Images, and images on their way. */
  get store(): string {
    return join(this.path, 'store');
  }

  /** What was verified of the TUF repository. */
  get trust(): string {
    return join(this.path, 'tuf');
  }

  /** The key by which other hosts know this one, when no other file is given. */
  get identity(): string {
    return join(this.path, 'identity.key');
  }

  /** How this host belongs to its fleet. */
  get fleet(): string {
    return join(this.path, 'fleet');
  }

  get apps(): string {
    return join(this.path, 'apps');
  }

  /** The generations of one followed channel. */
  channel(app: string, channel: string): string {
    return join(this.apps, app, channel);
  }

  /** What the rollouts of one followed channel have said, and what was done. */
  permits(app: string, channel: string): string {
    return join(this.channel(app, channel), 'permits.json');
  }

  /** What the fleet says of the settings of apps. */
  get settings(): string {
    return join(this.path, 'settings');
  }

  /** The unix sockets at which applications read their settings. */
  get sockets(): string {
    return join(this.path, 'sockets');
  }

  /** The unix socket of the local interface. */
  get socket(): string {
    return join(this.path, 'fetcher.sock');
  }

  /** Makes the directory when it is missing. */
  async make(): Promise<void> {
    await mkdir(this.path, { recursive: true });
  }

  /**
   * Makes the directory and keeps other fetchers out of it until disposed of. The lock is a socket
   * in Linux's abstract namespace: it goes with the process, however that ends.
   * @throws ConfigError CONFIG_IN_USE when another fetcher has it
   */
  async lock(): Promise<AsyncDisposable> {
    await this.make();
    const { dev, ino } = await stat(this.path, { bigint: true });
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.listen({ path: `\0starling-fetcher-${dev}-${ino}` });
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw new ConfigError(
        'CONFIG_IN_USE',
        `another fetcher runs in ${this.path}; end it, or take another directory`,
        { cause },
      );
    }
    return {
      [Symbol.asyncDispose]: async () => {
        const closed = once(server, 'close');
        server.close();
        await closed;
      },
    };
  }
}
