import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';

/** The files of a TUF repository that a client asks for after its root, by name. */
export type TufFiles = Readonly<Record<string, string>>;

interface Served {
  files: Readonly<Record<string, string | undefined>>;
}

/**
 * Stands between a fetcher and its tracker, as an attacker does who owns the network or the
 * tracker's machine, but no keys: hands everything on, and serves other files under `/tuf/` when it
 * is told to.
 */
export class TufMirror {
  readonly url: string;
  readonly #served: Served;

  private constructor(url: string, served: Served) {
    this.url = url;
    this.#served = served;
  }

  /** Starts a mirror of the tracker at this URL; it is gone when the test is over. */
  static async start(trackerUrl: string): Promise<TufMirror> {
    const served: Served = { files: {} };
    const server = createServer((asked, answer) => {
      const name = /^\/tuf\/(.+)$/.exec(asked.url ?? '')?.[1] ?? '';
      if (!Object.hasOwn(served.files, name)) handOn(trackerUrl, asked, answer);
      else answer.writeHead(served.files[name] === undefined ? 404 : 200).end(served.files[name]);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return new TufMirror(`http://127.0.0.1:${port}`, served);
  }

  /** From now on serves these in the place of the tracker's; undefined stands for no such file. */
  serve(files: Readonly<Record<string, string | undefined>>): void {
    this.#served.files = files;
  }

  /** From now on serves what the tracker serves. */
  beHonest(): void {
    this.#served.files = {};
  }
}

function handOn(trackerUrl: string, asked: IncomingMessage, answer: ServerResponse): void {
  const { method, url, headers } = asked;
  const sent = request(new URL(url ?? '/', trackerUrl), { method, headers }, (told) => {
    answer.writeHead(told.statusCode ?? 502, told.headers);
    told.pipe(answer);
  });
  sent.on('error', () => answer.destroy());
  asked.pipe(sent);
}

/** What a tracker serves now: timestamp, and the snapshot and targets that it leads to. */
export async function tufFilesOf(trackerUrl: string): Promise<TufFiles> {
  const get = async (name: string): Promise<string> => {
    const response = await fetch(`${trackerUrl}/tuf/${name}`);
    if (response.status !== 200) throw new Error(`${name}: HTTP status ${response.status}`);
    return response.text();
  };
  const timestamp = await get('timestamp.json');
  const snapshotName = `${versionNamed(timestamp, 'snapshot.json')}.snapshot.json`;
  const snapshot = await get(snapshotName);
  const targetsName = `${versionNamed(snapshot, 'targets.json')}.targets.json`;
  const targets = await get(targetsName);
  return { 'timestamp.json': timestamp, [snapshotName]: snapshot, [targetsName]: targets };
}

function versionNamed(text: string, name: string): number {
  const { signed } = JSON.parse(text) as { signed: { meta: Record<string, { version: number }> } };
  return signed.meta[name]?.version ?? NaN;
}
