import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/**
 * How a web server goes wrong with the content of an image; `.torrent` files it always serves well.
 * `wrongBytes`: right headers, other bytes. `shortBody`: ends before the range does. `wholeFiles`: 200
 * to range requests. `otherRange`: a range that nobody asked for. `stalls`: headers, half of the
 * body, and then nothing. `endless`: the range, and then more without end. `encoded`: gzip.
 */
export type WebLie =
  | 'wrongBytes'
  | 'shortBody'
  | 'wholeFiles'
  | 'otherRange'
  | 'stalls'
  | 'endless'
  | 'encoded'
  | 'missing'
  | 'unavailable'
  | 'redirect';

export interface WebServerInit {
  /** How it lies, asked at each request. */
  readonly lie?: ((path: string) => WebLie | undefined) | undefined;
}

interface Asked {
  readonly path: string;
  readonly first: number;
  readonly last: number;
  readonly size: number;
  readonly ranged: boolean;
}

/** A server of files for tests, with ranges (RFC 9110, section 14), that can lie in named ways. */
export class WebServer {
  /** The paths and ranges that were asked for. */
  readonly requests: { path: string; range: string | undefined }[] = [];
  /** Of bodies: how many bytes were handed to the system. */
  sentBytes = 0;
  readonly #server: Server;
  readonly #folder: string;
  readonly #init: WebServerInit;

  private constructor(folder: string, init: WebServerInit) {
    this.#folder = folder;
    this.#init = init;
    this.#server = createServer((request, response) => {
      response.on('error', () => undefined);
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  /** Serves a folder on the loopback address until the test is over. */
  static async open(folder: string, init: WebServerInit = {}): Promise<WebServer> {
    const server = new WebServer(folder, init);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    onTestFinished(() => server.close());
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** What `--web-seed` would say. */
  get template(): string {
    return `http://127.0.0.1:${this.port}/{id}/`;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(request.url ?? '/');
    const { range } = request.headers;
    this.requests.push({ path, range });
    const stats = await stat(join(this.#folder, path)).catch(() => undefined);
    const lie = path.endsWith('.torrent') ? undefined : this.#init.lie?.(path);
    if (stats?.isFile() !== true || lie === 'missing') return void response.writeHead(404).end();
    if (lie === 'unavailable') return void response.writeHead(503).end('later');
    if (lie === 'redirect') return void response.writeHead(302, { location: '/' }).end();
    const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? '');
    const first = Number(match?.[1] ?? 0);
    const last = Number(match?.[2] ?? stats.size - 1);
    const asked = { path, first, last, size: stats.size, ranged: match !== null };
    if (lie === undefined) this.#serve(response, asked);
    else this.#lie(response, asked, lie, await readFile(join(this.#folder, path)));
  }

  #head(response: ServerResponse, { first, last, size, ranged }: Asked): void {
    response.setHeader('content-length', last - first + 1);
    if (ranged) response.setHeader('content-range', `bytes ${first}-${last}/${size}`);
    response.writeHead(ranged ? 206 : 200);
  }

  #serve(response: ServerResponse, asked: Asked): void {
    this.#head(response, asked);
    const { first, last } = asked;
    const stream = createReadStream(join(this.#folder, asked.path), { start: first, end: last });
    stream.on('data', (chunk) => (this.sentBytes += chunk.length));
    stream.pipe(response);
  }

  #lie(response: ServerResponse, asked: Asked, lie: WebLie, file: Buffer): void {
    const length = asked.last - asked.first + 1;
    const write = (bytes: number) => {
      this.sentBytes += bytes;
      const { first } = asked;
      const isTrue = lie !== 'wrongBytes';
      response.write(isTrue ? file.subarray(first, first + bytes) : Buffer.alloc(bytes, 'x'));
    };
    switch (lie) {
      case 'wrongBytes':
        this.#head(response, asked);
        write(length);
        response.end();
        return;
      case 'shortBody':
        this.#head(response, asked);
        write(Math.floor(length / 2));
        setTimeout(() => response.destroy(), 20);
        return;
      case 'wholeFiles':
        this.#serve(response, { ...asked, first: 0, last: asked.size - 1, ranged: false });
        return;
      case 'otherRange':
        this.#serve(response, { ...asked, last: asked.last - 1, ranged: true });
        return;
      case 'stalls':
        this.#head(response, asked);
        write(Math.floor(length / 2));
        return;
      case 'encoded':
        response.setHeader('content-encoding', 'gzip');
        this.#serve(response, asked);
        return;
      case 'endless':
        this.#pour(response, asked, file);
        return;
      default:
        response.destroy();
    }
  }

  #pour(response: ServerResponse, asked: Asked, file: Buffer): void {
    const { first, last, size, ranged } = asked;
    if (ranged) response.setHeader('content-range', `bytes ${first}-${last}/${size}`);
    response.writeHead(ranged ? 206 : 200);
    // The last byte comes with what is too much.
    response.write(file.subarray(first, last));
    const more = () => {
      if (response.destroyed) return;
      this.sentBytes += 65_536;
      if (response.write(Buffer.alloc(65_536, file.subarray(last, last + 1)))) setImmediate(more);
      else response.once('drain', more);
    };
    more();
  }
}
