import { once } from 'node:events';
import { createServer } from 'node:net';

const host = '127.0.0.1';
/** Below the ports that the system gives to whoever asks for any. */
const first = 20_000;
const count = 10_000;

/** A port for a program that must be told one; free when it was looked for. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * count);
    const server = createServer().listen(port, host);
    const taken = await once(server, 'listening').then(
      () => false,
      () => true,
    );
    if (taken) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
