import { execFile } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { ActivationConfig } from '../../../fetcher/activation-config.ts';
import { defaultActivationConfig } from '../../../fetcher/activation-config.ts';
import type {
  ActivatableImage,
  ActivationComponents,
  ActivationInit,
} from '../../../fetcher/activation-types.ts';
import { Activation } from '../../../fetcher/activation.ts';
import type { Generation } from '../../../fetcher/generation-record.ts';
import { readProcessStat } from '../../../fetcher/process-table.ts';
import { checkManifest, durable } from '../../../src/image/index.ts';

export const silent = pino({ level: 'silent' });
/** A signal for work that is not aborted. */
export const signal: AbortSignal = new AbortController().signal;

/** A folder for one test: a store of images and the directory of one app and channel. */
export interface Place {
  readonly root: string;
  readonly directory: string;
}

/** Makes a folder that is removed when the test has ended. */
export async function makePlace(): Promise<Place> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'starling-activation-')));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return { root, directory: join(root, 'apps/web/stable') };
}

/** Puts an image into the store, as the fetcher does before it activates. */
export async function makeImage(
  place: Place,
  version: string,
  manifest: Readonly<Record<string, unknown>>,
  files: Readonly<Record<string, string>> = {},
): Promise<ActivatableImage> {
  const release = Number(version);
  const imageId = `bimage${version}`;
  const tree = join(place.root, 'store', imageId, 'web');
  const whole = { name: 'web', version, ...manifest };
  await writeTree(tree, { ...files, '.starling/image.json': JSON.stringify(whole) });
  return { imageId, tree, manifest: await checkManifest(whole), release, version };
}

/** Writes files that are all executable. */
export async function writeTree(
  tree: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), text);
    await chmod(join(tree, path), 0o755);
  }
}

/** An app that answers every request with the generation and version it was started as. */
export const serverApp = `#!/usr/bin/env node
const { createServer } = require('node:http');
const { STARLING_GENERATION, STARLING_VERSION, PORT } = process.env;
const server = createServer((request, response) => {
  response.statusCode = process.argv.includes('--sick') && request.url === '/healthz' ? 503 : 200;
  if (request.url === '/crash') process.exit(7);
  response.end(STARLING_GENERATION + ' ' + STARLING_VERSION);
});
server.listen(Number(PORT), '127.0.0.1');
`;

/** The image of a server with a health check. It needs PORT. */
export async function makeServerImage(
  place: Place,
  version: string,
  options: { readonly sick?: boolean; readonly deadlineMs?: number } = {},
): Promise<ActivatableImage> {
  const manifest = {
    start: ['bin/server.js', ...(options.sick ? ['--sick'] : [])],
    needs: { PORT: { type: 'port' } },
    health: {
      type: 'http',
      url: 'http://127.0.0.1:${PORT}/healthz',
      intervalMs: 20,
      deadlineMs: options.deadlineMs ?? 20_000,
    },
  };
  return await makeImage(place, version, manifest, { 'bin/server.js': serverApp });
}

/** The image of a shell script without a health check. */
export async function makeScriptImage(
  place: Place,
  version: string,
  script: string,
  manifest: Readonly<Record<string, unknown>> = {},
): Promise<ActivatableImage> {
  const files = { 'run.sh': `#!/bin/sh\n${script}\n` };
  return await makeImage(place, version, { start: ['run.sh'], ...manifest }, files);
}

export const quickConfig: ActivationConfig = {
  ...defaultActivationConfig,
  restart: { firstDelayMs: 1, maxDelayMs: 20, resetAfterMs: 60_000 },
  settleMs: 50,
};

export interface ActivationSetting {
  readonly supplies?: Readonly<Record<string, string>>;
  readonly components?: Partial<ActivationComponents>;
  readonly config?: Partial<ActivationConfig>;
  readonly keepGenerations?: number;
  readonly init?: Partial<ActivationInit>;
}

/** An Activation that is not open yet; it is disposed of when the test has ended. */
export function makeActivation(place: Place, setting: ActivationSetting = {}): Activation {
  const activation = new Activation(
    {
      durability: durable,
      log: silent,
      now: () => new Date(),
      random: () => 0.5,
      ...setting.components,
    },
    {
      directory: place.directory,
      app: 'web',
      channel: 'stable',
      supplies: new Map(Object.entries(setting.supplies ?? {})),
      keepGenerations: setting.keepGenerations ?? 2,
      config: { ...quickConfig, ...setting.config },
      ...setting.init,
    },
  );
  onTestFinished(() => activation[Symbol.asyncDispose]());
  return activation;
}

/** A port that is free just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** What the server of a server image answers; undefined when there is none. */
export async function ask(port: number, path = '/'): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { connection: 'close' },
    });
    return await response.text();
  } catch {
    return undefined;
  }
}

/** Waits until a value is there, by looking again and again. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await sleep(10);
  }
}

/** The number in a file that an app writes, once it has written it. */
export async function numberIn(path: string): Promise<number> {
  return await until(`${path} holds a number`, async () => {
    const text = await readFile(path, 'utf8').catch(() => '');
    return /^\d+\n/.test(text) ? Number(text) : undefined;
  });
}

/** Whether a process lives; one that ended and was not collected yet does not. */
export async function lives(pid: number): Promise<boolean> {
  const stat = await readProcessStat(pid);
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
}

/** The command lines of all processes that mention a text. */
export async function processesWith(text: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eww', '-o', 'pid=,args=']);
  return stdout.split('\n').filter((line) => line.includes(text) && !line.includes('ps -eww'));
}

/** The pids of all living processes that carry a text in their environment, as an app's do. */
export async function processesCarrying(text: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const carrying = await Promise.all(
    pids.map(async (pid) =>
      (await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')).includes(text),
    ),
  );
  return pids.filter((_, index) => carrying[index]);
}

/** The states of all generations, such as `1 healthy, 2 failed`, the current one with a star. */
export function summary(
  generations: readonly (Generation & { readonly current: boolean })[],
): string {
  return generations
    .map(({ number, state, current }) => `${number}${current ? '*' : ''} ${state}`)
    .join(', ');
}
