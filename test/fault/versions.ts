import { join } from 'node:path';
import { bake, durable, type StoredImage } from '../../src/image/index.ts';
import { storeIn } from '../tools/baked-image.ts';
import { seededBytes } from '../tools/seeded-random.ts';
import { writeTree, type TreeSketch } from '../tools/tree-sketch.ts';

const kib = 1 << 10;

/** Small, so that little is lost with a piece that is half here. */
const pieceSizeBytes = 64 * kib;

/** What its neighbours in the process table would be, if they outlived it. */
const app = `#!/bin/sh
trap 'kill $child; exit 0' TERM
sleep 3600 &
child=$!
sleep 0.05
echo "$STARLING_VERSION" > "$STATE/version"
wait
`;
const health = `#!/bin/sh
[ "$(cat "$STATE/version")" = "$STARLING_VERSION" ]
`;
const running = {
  start: ['app.sh'],
  health: {
    type: 'exec',
    command: ['./health.sh'],
    intervalMs: 50,
    timeoutMs: 10_000,
    deadlineMs: 60_000,
    successes: 2,
  },
  stop: { signal: 'SIGTERM', graceMs: 2_000 },
  needs: { STATE: { type: 'string' } },
};

/** An app that runs, about `ownKib` large, of which no other version has anything but two files. */
export function appSketch(version: number, ownKib: number): TreeSketch {
  return {
    '.starling/image.json': JSON.stringify(running),
    'app.sh': { executable: app },
    'health.sh': { executable: health },
    'data/shared.bin': seededBytes(1, 512 * kib),
    ...contentSketch(version, ownKib, 20),
  };
}

/** A tree of files alone: one large, many small, and what else a tree may have. */
export function contentSketch(version: number, ownKib: number, smallFiles: number): TreeSketch {
  const small = Array.from({ length: smallFiles }, (_, index): [string, Uint8Array] => [
    `small/${index % 4}/file-${index}.txt`,
    seededBytes(1_000 * version + index, (index * 977) % (20 * kib)),
  ]);
  return {
    'data/own.bin': seededBytes(100 * version, ownKib * kib),
    'data/latest': { link: 'own.bin' },
    'data/tools/run': { executable: `#!/bin/sh\necho ${version}\n` },
    empty: { directory: true },
    ...Object.fromEntries(small),
  };
}

/** Bakes version `N.0.0` of an app out of a sketch into the store `directory/store`. */
export async function bakeVersion(
  directory: string,
  version: number,
  sketch: TreeSketch,
): Promise<StoredImage> {
  const path = join(directory, `tree-${version}`);
  await writeTree(path, sketch);
  return await bake(
    { store: storeIn(join(directory, 'store')), durability: durable },
    { path, name: 'app', version: `${version}.0.0`, hybrid: false, threads: 1, pieceSizeBytes },
  );
}
