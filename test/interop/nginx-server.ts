import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, onTestFinished } from 'vitest';
import { eventually } from '../tools/eventually.ts';

const program = '/usr/sbin/nginx';

const isInstalled = (): boolean => {
  try {
    accessSync(program, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Tests that need the real nginx, and say so where it is missing. */
export const describeWithNginx = (name: string, tests: () => void): void => {
  const installed = isInstalled();
  const title = installed ? name : `${name} (nginx is not installed: apt install nginx-light)`;
  describe.skipIf(!installed)(title, tests);
};

/** The real nginx over a folder, at 127.0.0.1, in the foreground; it ends with the test. */
export class NginxServer {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly port: number;

  private constructor(init: { process: ChildProcess; folder: string; port: number }) {
    this.#process = init.process;
    this.#folder = init.folder;
    this.port = init.port;
  }

  /**
   * @param folder for its own files
   * @param init.root what it serves
   * @param init.rate what a connection may take, as nginx writes it; without: no limit
   */
  static async open(
    folder: string,
    init: { root: string; rate?: string | undefined },
  ): Promise<NginxServer> {
    await mkdir(folder, { recursive: true });
    const port = await freePort();
    const path = join(folder, 'nginx.conf');
    await writeFile(path, configOf({ folder, port, ...init }));
    const log = join(folder, 'error.log');
    const child = spawn(program, ['-p', folder, '-c', path, '-e', log], { stdio: 'ignore' });
    const server = new NginxServer({ process: child, folder, port });
    onTestFinished(() => server.kill());
    await eventually('nginx answers', async () => {
      if (child.exitCode !== null) throw new Error(`nginx ended: ${await readFile(log, 'utf8')}`);
      const response = await fetch(`http://127.0.0.1:${port}/none`).catch(() => undefined);
      return response?.status;
    });
    return server;
  }

  /** What `--web-seed` would say. */
  get template(): string {
    return `http://127.0.0.1:${this.port}/{id}/`;
  }

  /** The requests in the access log: path, status, and bytes of the body that were sent. */
  async log(): Promise<{ path: string; status: number; bytes: number }[]> {
    const text = await readFile(join(this.#folder, 'access.log'), 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter((line) => line !== '' && !line.includes(' /none '))
      .map((line) => {
        const [status = '', bytes = '', path = ''] = line.split(' ');
        return { path, status: Number(status), bytes: Number(bytes) };
      });
  }

  /** The bytes of all bodies but those of metadata. */
  async contentBytes(): Promise<number> {
    const content = (await this.log()).filter(({ path }) => !path.endsWith('.torrent'));
    return content.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
  }
}

const configOf = (init: {
  folder: string;
  port: number;
  root: string;
  rate?: string | undefined;
}): string => `
daemon off;
master_process off;
pid ${init.folder}/nginx.pid;
events { worker_connections 256; }
http {
  log_format counted '$status $body_bytes_sent $request_uri ';
  access_log ${init.folder}/access.log counted;
  client_body_temp_path ${init.folder}/body;
  proxy_temp_path ${init.folder}/proxy;
  fastcgi_temp_path ${init.folder}/fastcgi;
  uwsgi_temp_path ${init.folder}/uwsgi;
  scgi_temp_path ${init.folder}/scgi;
  sendfile on;
  server {
    listen 127.0.0.1:${init.port};
    root ${init.root};
    ${init.rate === undefined ? '' : `limit_rate ${init.rate};`}
  }
}
`;

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
