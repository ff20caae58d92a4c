import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isInstalled, missingProgram, monotonicMs, nginxConfig } from '../../process/index.ts';
import type { Payload } from '../../payload/index.ts';
import { runningHost, type RunningHost, type StageHost, type SwarmPeer } from '../swarm-peer.ts';

const port = 8080;

/** What is home-made: one nginx, a curl on every host, and a check of SHA-256 afterwards. */
export const http: SwarmPeer = {
  name: 'curl+nginx',
  ours: false,
  swarms: false,
  missing: () =>
    missingProgram('curl', 'bash', 'sha256sum') ??
    (isInstalled('nginx', '-v') ? undefined : 'nginx is not installed'),
  async open({ payload, seed: machine }) {
    const { directory } = machine.place;
    const config = join(directory, 'nginx.conf');
    const listen = `${machine.address}:${port}`;
    await writeFile(config, nginxConfig(directory, payload.parent, listen));
    const seed = machine.place.start('nginx', ['nginx', '-c', config, '-e', 'stderr']);
    const base = `http://${listen}/`;
    const probe = [
      '--retry',
      '20',
      '--retry-connrefused',
      '--retry-delay',
      '1',
      '-s',
      base,
    ] as const;
    await machine.place.start('curl', ['curl', ...probe]).succeeded();
    const script = join(directory, 'fetch.sh');
    await writeFile(script, fetchScript(payload, base));
    const come = (host: StageHost): RunningHost => {
      const { place } = host;
      const process = place.start(`curl ${host.name}`, ['bash', script, place.directory]);
      const tree = join(place.directory, payload.name);
      const whole = process.succeeded().then(({ atMs }) => ({ atMs, tree }));
      return runningHost({ process, whole });
    };
    let waiting: readonly StageHost[] = [];
    return {
      services: [seed],
      come,
      ready(hosts) {
        waiting = hosts;
        return Promise.resolve();
      },
      appear: () =>
        Promise.resolve({ atMs: monotonicMs(), seed, hosts: waiting.map((host) => come(host)) }),
    };
  },
};

/** Fetches a tree into the folder that is the script's argument, and checks it. */
function fetchScript({ name, files }: Payload, base: string): string {
  const paths = files.map(({ path }) => join(name, path));
  const folders = [...new Set(paths.map(dirname))];
  const requests = paths.map((path) => `-o '${path}' '${base}${encodeURI(path)}'`);
  const digests = files.map(({ digest }, index) => `${digest} *${paths[index] ?? ''}`);
  return [
    'set -euo pipefail',
    'cd "$1"',
    `mkdir -p ${folders.map((folder) => `'${folder}'`).join(' ')}`,
    `curl -sS --fail ${requests.join(' ')}`,
    `sha256sum --check --quiet <<'END'\n${digests.join('\n')}\nEND`,
    '',
  ].join('\n');
}
