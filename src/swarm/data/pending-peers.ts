import type { Server, Socket } from 'node:net';

/**
 * Connections of a listener that may be pending at a time: in their TLS handshake, or without having
 * shown a credential. The oldest gives way to a new one, so that those who connect and say nothing keep
 * nobody out: an honest handshake is short.
 */
export const maxHandshakes = 64;

/** The connections of sealed listeners that were not let in yet: few, and not for long. */
export class PendingPeers {
  readonly #timeoutMs: number;
  readonly #pending = new Map<
    string,
    { readonly socket: Socket; readonly timer: NodeJS.Timeout }
  >();

  constructor(init: { readonly timeoutMs: number }) {
    this.#timeoutMs = init.timeoutMs;
  }

  /** Counts the connections of this listener from their first moment. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => {
      this.#begin(socket);
    });
  }

  #begin(socket: Socket): void {
    const end = endOf(socket);
    this.#forget(end);
    const timer = setTimeout(() => socket.destroy(), this.#timeoutMs);
    this.#pending.set(end, { socket, timer });
    socket.once('close', () => {
      if (this.#pending.get(end)?.socket === socket) this.#forget(end);
    });
    if (this.#pending.size <= maxHandshakes) return;
    for (const oldest of this.#pending.values()) {
      oldest.socket.destroy();
      return;
    }
  }

  /** This one is let in. The sealed socket is another than the one below it, with the same other end. */
  admitted(socket: Socket): void {
    this.#forget(endOf(socket));
  }

  #forget(end: string): void {
    clearTimeout(this.#pending.get(end)?.timer);
    this.#pending.delete(end);
  }

  /** Closes them all. */
  close(): void {
    for (const { socket } of this.#pending.values()) socket.destroy();
  }
}

const endOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
