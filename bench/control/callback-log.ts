import { EventEmitter, once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** Takes down when the callback of each host was called with which value: see `tellBench`. */
export class CallbackLog implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #told = new Map<string, number[]>();
  readonly #changes = new EventEmitter();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
      createInterface(socket).on('line', (line) => {
        this.#take(line);
      });
    });
  }

  /** @param path of a unix socket that is made */
  static async listen(path: string): Promise<CallbackLog> {
    const log = new CallbackLog(createServer());
    log.#server.listen(path);
    await once(log.#server, 'listening');
    return log;
  }

  /**
   * Waits until so many have been told a value.
   * @returns when their callbacks were called, by `monotonicMs`
   * @throws the signal's reason
   */
  async untilTold(
    value: string,
    count: number,
    { signal }: { signal: AbortSignal },
  ): Promise<readonly number[]> {
    for (;;) {
      const times = this.#told.get(value) ?? [];
      if (times.length >= count) return times;
      await once(this.#changes, 'change', { signal });
    }
  }

  #take(line: string): void {
    const [value = '', atNs = ''] = line.split(' ');
    const times = this.#told.get(value) ?? [];
    times.push(Number(atNs) / 1e6);
    this.#told.set(value, times);
    this.#changes.emit('change');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}
