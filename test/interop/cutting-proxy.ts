import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Stands between a client and a server, and can cut the connection when the server answers. */
export class CuttingProxy {
  readonly #sockets = new Set<Socket>();
  /** The next answers are lost, and their connections with them: so many. */
  cuts = 0;
  address = '';
  #isDown = false;

  /** Nobody gets through, and who is connected is cut off; or they do again. */
  set isDown(isDown: boolean) {
    this.#isDown = isDown;
    if (isDown) for (const socket of this.#sockets) socket.destroy();
  }

  /** @param target `host:port` */
  static async start(target: string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy();
    const [host = '', port] = target.split(':');
    const server = createServer((client) => {
      if (proxy.#isDown) client.destroy();
      else proxy.#join(client, connect(Number(port), host));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    onTestFinished(() => {
      server.close();
      for (const socket of proxy.#sockets) socket.destroy();
    });
    return proxy;
  }

  #join(client: Socket, server: Socket): void {
    const end = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', end).on('close', () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on('data', (bytes: Buffer) => server.write(bytes));
    server.on('data', (bytes: Buffer) => {
      if (this.cuts === 0) {
        client.write(bytes);
        return;
      }
      this.cuts--;
      end();
    });
  }
}
