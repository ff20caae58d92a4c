import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import type { Endpoint } from '../../src/swarm/index.ts';
import { eventually } from '../tools/eventually.ts';

const handshakeBytes = 68;
const protocol = Buffer.from('\x13BitTorrent protocol', 'latin1');

/**
 * Brings two peers together, neither of which can be told to call the other: it calls both, gives
 * each the other's handshake (BEP 3), and passes on what they say. transmission needs it, since it
 * calls nobody at 127.0.0.1, whatever a tracker says. Returns when both have answered; what is
 * between them ends with either connection, and with the signal.
 */
export async function introduce(
  a: Endpoint,
  b: Endpoint,
  infoHash: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  // Whom it calls shows itself only to who has spoken: so ask, and hang up.
  const zeros = Buffer.alloc(8);
  const asking = Buffer.concat([protocol, zeros, infoHash, Buffer.from('-XX0000-introduction')]);
  const { socket, answer: ofA } = await call(a, asking, signal);
  socket.destroy();
  const toB = await call(b, ofA, signal);
  // Until it has noticed that the first one hung up, it hangs up on the second, too.
  const toA = await eventually(
    `${a.host}:${a.port} takes the call`,
    () => call(a, toB.answer, signal).catch(() => undefined),
    { deadlineMs: 10_000, signal },
  );
  join(toA.socket, toB.socket);
  join(toB.socket, toA.socket);
}

async function call(
  { host, port }: Endpoint,
  handshake: Uint8Array,
  signal: AbortSignal,
): Promise<{ socket: Socket; answer: Buffer }> {
  const socket = connect({ host, port, signal });
  socket.on('error', () => socket.destroy());
  socket.setTimeout(30_000, () => socket.destroy());
  socket.write(handshake);
  let answer = Buffer.alloc(0);
  while (answer.length < handshakeBytes) {
    const [data] = (await Promise.race([
      once(socket, 'data', { signal }),
      once(socket, 'close', { signal }).then(() => [undefined]),
    ])) as [Buffer | undefined];
    if (data === undefined) throw new Error(`${host}:${port} hung up without a handshake`);
    answer = Buffer.concat([answer, data]);
  }
  socket.pause();
  if (answer.length > handshakeBytes) socket.unshift(answer.subarray(handshakeBytes));
  return { socket, answer: answer.subarray(0, handshakeBytes) };
}

function join(from: Socket, to: Socket): void {
  from.pipe(to);
  from.on('close', () => to.destroy());
}
