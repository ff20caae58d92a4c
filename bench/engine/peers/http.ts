import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchPeer } from '../bench-peer.ts';
import {
  freePort,
  isInstalled,
  missingProgram,
  nginxConfig,
  untilListening,
} from '../../process/index.ts';
import type { ListedFile, Payload } from '../../payload/index.ts';

/** As many lists of files are fetched, and then hashed, side by side. */
const lists = 2;

/** What is home-made: nginx, curl, and a check of SHA-256. No swarm can be asked for more. */
const httpWith = (name: string, hasher: string, needed: string): BenchPeer => ({
  name,
  ours: false,
  missing: () => missingProgram('curl', 'bash', 'xargs') ?? missingHasher(needed) ?? missingNginx(),
  async seed(payload, place) {
    const port = await freePort();
    const config = join(place.directory, 'nginx.conf');
    await writeFile(config, nginxConfig(place.directory, payload.parent, `127.0.0.1:${port}`));
    const process = place.start('nginx', ['nginx', '-c', config, '-e', 'stderr']);
    await untilListening(port, place);
    const script = await writeFetchScript(payload, join(place.directory, 'fetch'), port, hasher);
    return {
      process,
      fetch({ directory, start }) {
        const fetcher = start('curl', ['bash', script, directory]);
        const tree = join(directory, payload.name);
        const done = fetcher.succeeded().then(({ atMs }) => ({ atMs, tree }));
        return { process: fetcher, ends: true, done };
      },
    };
  },
});

export const http = httpWith('http', 'sha256sum -b', 'sha256sum');
/** OpenSSL hashes with the processor's own instructions, three times as fast as coreutils. */
export const httpOpenssl = httpWith('http-openssl', 'openssl dgst -sha256 -r', 'openssl');

/** openssl knows `version` and no `--version`. */
const missingHasher = (program: string): string | undefined =>
  isInstalled(program, program === 'openssl' ? 'version' : '--version')
    ? undefined
    : `${program} is not installed`;

const missingNginx = () => (isInstalled('nginx', '-v') ? undefined : 'nginx is not installed');

/** Writes a script that fetches a tree into the folder that is its argument, and checks it. */
async function writeFetchScript(
  payload: Payload,
  directory: string,
  port: number,
  hasher: string,
): Promise<string> {
  await mkdir(directory);
  const base = `http://127.0.0.1:${port}/`;
  const place = (file: ListedFile) => join(payload.name, file.path);
  const { files: all } = payload;
  const jobs: string[] = [];
  for (let list = 0; list < lists; list++) {
    const files = all.filter((_, index) => Math.floor((index * lists) / all.length) === list);
    if (files.length === 0) continue;
    const path = join(directory, `list-${list}`);
    const requests = files.map(
      (file) => `url = "${base}${encodeURI(place(file))}"\noutput = "${place(file)}"\n`,
    );
    await writeFile(`${path}.curl`, requests.join(''));
    await writeFile(`${path}.paths`, files.map((file) => `${place(file)}\n`).join(''));
    const digests = files.map((file) => `${file.digest} *${place(file)}\n`);
    await writeFile(`${path}.digests`, digests.join(''));
    jobs.push(fetchJob(path, hasher));
  }
  const script = join(directory, 'fetch.sh');
  const waits = 'for job in "${jobs[@]}"; do wait "$job"; done';
  const started = jobs.map((job) => `{ ${job}; } & jobs+=($!)`);
  await writeFile(
    script,
    ['set -euo pipefail', 'cd "$1"', 'jobs=()', ...started, waits, ''].join('\n'),
  );
  return script;
}

/**
 * Hashing after writing: `tee` into a hash while it arrives costs a third more CPU time, and
 * took longer on two cores.
 */
const fetchJob = (path: string, hasher: string): string =>
  `curl -sS --fail --create-dirs --parallel -K '${path}.curl' && xargs -d '\\n' -n 4000 ${hasher} < '${path}.paths' | cmp - '${path}.digests'`;
