import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { maxHandshakes, PendingPeers } from '../../../../src/swarm/data/pending-peers.ts';

/** A listener whose connections are pending, and a way to connect to it. */
async function openListener(timeoutMs: number) {
  const pending = new PendingPeers({ timeoutMs });
  const server = createServer();
  const sockets: Socket[] = [];
  pending.watch(server);
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  /** @returns both ends of a new connection */
  const dial = async () => {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = connect(port, '127.0.0.1').resume();
    client.on('error', () => undefined);
    onTestFinished(() => {
      client.destroy();
    });
    const [socket] = await accepted;
    return { client, socket };
  };
  return { pending, dial };
}

test('who is not let in in time is closed, and who is stays', async () => {
  const { pending, dial } = await openListener(50);
  const member = await dial();
  pending.admitted(member.socket);
  const stranger = await dial();
  await once(stranger.client, 'close');
  expect(stranger.socket.destroyed).toBe(true);
  expect(member.socket.destroyed).toBe(false);
});

test('the oldest gives way when there are too many, and all go with the listener', async () => {
  const { pending, dial } = await openListener(60_000);
  const first = await dial();
  const second = await dial();
  for (let count = 2; count < maxHandshakes; count++) await dial();
  expect(first.socket.destroyed).toBe(false);
  const last = await dial();
  await once(first.client, 'close');
  expect([second.socket.destroyed, last.socket.destroyed]).toEqual([false, false]);
  pending.close();
  await once(last.client, 'close');
  expect(second.socket.destroyed).toBe(true);
});
