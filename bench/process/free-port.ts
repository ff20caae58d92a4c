import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A port that nobody listens at, for programs that can't tell which one they were given. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '0.0.0.0');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Waits until somebody listens at a port of this machine. */
export async function untilListening(
  port: number,
  { signal, host = '127.0.0.1' }: { signal: AbortSignal; host?: string },
): Promise<void> {
  for (;;) {
    const socket = connect({ host, port });
    try {
      await once(socket, 'connect', { signal });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error;
    } finally {
      socket.destroy();
    }
    await delay(20, undefined, { signal });
  }
}
