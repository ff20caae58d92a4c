import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** Both ends of a TCP connection, gone when the test is over. */
export async function socketPair(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [
    [Socket],
    unknown,
  ];
  server.close();
  for (const socket of [near, far]) {
    socket.on('error', () => undefined);
    onTestFinished(() => {
      socket.destroy();
    });
  }
  return { near, far };
}

/** Lets everything that is ready happen, some times over. */
export async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await turn();
}

/** Lets things happen until a number has not changed for a good while. */
export async function untilSteady(look: () => number): Promise<number> {
  for (;;) {
    const before = look();
    await turns(300);
    if (look() === before) return before;
  }
}
