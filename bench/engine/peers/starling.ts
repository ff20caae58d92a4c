import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { BenchPeer, Done, RunningSeed } from '../bench-peer.ts';
import { ownProgram, type Place } from '../../process/index.ts';
import type { Payload } from '../../payload/index.ts';

type Transport = 'sealed' | 'open';

const loopback = ['--host', '127.0.0.1', '--port', '0'] as const;

const seeding = z.object({ event: z.literal('seeding'), port: z.int().min(1) });
const fetched = z.object({ id: z.string(), tree: z.string(), tookMs: z.number() });
const identity = z.object({ peerId: z.string() });

/** Starling itself. Its fetcher knows the image id and nothing else: it has no .torrent. */
function starling(name: Transport): BenchPeer {
  return {
    name,
    ours: true,
    missing() {
      const { stdout } = spawnSync(process.execPath, helpOfSeed, { encoding: 'utf8' });
      return stdout.includes(neededFlag[name])
        ? undefined
        : `seeder seed has no ${neededFlag[name]}`;
    },
    async seed(payload, place, fetchers): Promise<RunningSeed> {
      const flags = await transportFlags(name, place, fetchers);
      const args = [payload.imageId, '--store', payload.store, ...loopback, ...flags.seed];
      const process = place.start(`${name} seeder`, ownProgram('seeder', 'seed', ...args));
      const { port } = (await process.line(seeding, 'that it seeds')).value;
      return {
        process,
        fetch: (at, index) =>
          fetch(payload, at, [...peerFlags(port), ...(flags.fetch[index] ?? [])]),
      };
    },
  };

  function fetch(payload: Payload, { directory, start }: Place, flags: readonly string[]) {
    const args = [payload.imageId, '--dir', directory, ...loopback, ...flags];
    const process = start(`${name} fetcher`, ownProgram('fetcher', 'fetch', ...args));
    const done = process
      .line(fetched, 'that it has the image')
      .then(({ atMs, value }): Done => ({ atMs, tree: value.tree, ownMs: value.tookMs }));
    return { process, ends: true, done };
  }
}

const peerFlags = (port: number) => ['--peer', `127.0.0.1:${port}`];

const helpOfSeed = ownProgram('seeder', 'seed', '--help').slice(1);
const neededFlag: Readonly<Record<Transport, string>> = { sealed: '--members', open: '--open' };

/** What seeder and fetchers are told of the transport. */
interface TransportFlags {
  readonly seed: readonly string[];
  readonly fetch: readonly (readonly string[])[];
}

async function transportFlags(
  transport: Transport,
  place: Place,
  fetchers: number,
): Promise<TransportFlags> {
  if (transport === 'open') {
    return { seed: ['--open'], fetch: Array.from({ length: fetchers }, () => ['--open']) };
  }
  const names = ['seed', ...Array.from({ length: fetchers }, (_, index) => `fetcher-${index}`)];
  const files = names.map((name) => join(place.directory, `${name}.identity`));
  const ids: string[] = [];
  for (const file of files) {
    const args = ['identity', '--identity', file];
    const process = place.start('seeder identity', ownProgram('seeder', ...args));
    ids.push((await process.line(identity, 'its peer id')).value.peerId);
    await process.succeeded();
  }
  const members = join(place.directory, 'members');
  await writeFile(members, ids.map((id) => `${id}\n`).join(''));
  const [seed = [], ...fetch] = files.map((file) => ['--members', members, '--identity', file]);
  return { seed, fetch };
}

export const sealed = starling('sealed');
export const open = starling('open');
