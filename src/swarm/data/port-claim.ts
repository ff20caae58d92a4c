import { once } from 'node:events';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { ConfigError } from '../../errors.ts';

/**
 * The right of one program to a port at which several threads listen. They listen with SO_REUSEPORT, and
 * so could any other program of the same user. So the port is first listened at alone, which fails when
 * anybody is there; and a name in Linux's abstract namespace is held as long as the claim, which keeps out
 * those that look in the moment before the threads listen. It goes with the process, however that ends.
 */
export class PortClaim implements AsyncDisposable {
  readonly port: number;
  readonly #name: Server;

  private constructor(port: number, name: Server) {
    this.port = port;
    this.#name = name;
  }

  /**
   * @param init.port 0: the system gives one
   * @throws ConfigError CONFIG_IN_USE when the address can't be listened on
   */
  static async take({ host, port }: { host: string; port: number }): Promise<PortClaim> {
    try {
      const alone = await listenAt({ host, port });
      try {
        const address = alone.address();
        const own = typeof address === 'object' && address !== null ? address.port : port;
        return new PortClaim(own, await listenAt({ path: `\0starling-port-${host}-${own}` }));
      } finally {
        await close(alone);
      }
    } catch (cause) {
      throw inUse(host, port, cause instanceof Error ? cause.message : String(cause));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await close(this.#name);
  }
}

export const inUse = (host: string, port: number, why: string): ConfigError =>
  new ConfigError('CONFIG_IN_USE', `can't listen on ${host}:${port}: ${why}`);

async function listenAt(address: ListenOptions): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  server.unref();
  server.listen(address);
  await once(server, 'listening');
  return server;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  await closed;
}
