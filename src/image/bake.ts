import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { ConfigError, ImageError } from '../errors.ts';
import type { TreeDurability } from './durability.ts';
import { hashFiles, type FileToHash, type HashedFile } from './hash-files.ts';
import { encodeInfo, isPadded, paddingBytes, type InfoEntry } from './info-builder.ts';
import { parseInfo } from './image-info.ts';
import { removeTree, type ImageStore, type StoredImage } from './image-store.ts';
import {
  checkManifest,
  manifestPath,
  maxManifestBytes,
  parseJsonObject,
  parseManifest,
  serializeManifest,
} from './manifest.ts';
import type { Manifest } from './manifest-schema.ts';
import { makeDirectories, sealTree, type TreeLayout } from './tree-layout.ts';
import { choosePieceSize } from './piece-size.ts';
import { encodeTorrent, type Metainfo } from './torrent-file.ts';
import { compareTreePaths } from './tree-path.ts';
import { fileState, sameState, walkTree, type TreeEntry } from './tree-walk.ts';

export interface BakeInit {
  /** The directory to bake. */
  readonly path: string;
  /** The image's name and version; they replace those of the tree's own manifest. */
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  readonly kind?: Manifest['kind'] | undefined;
  /** Whether v1 clients are served too; by default where padding costs under 3 %. */
  readonly hybrid?: boolean | undefined;
  readonly pieceSizeBytes?: number | undefined;
  /** How many threads hash. */
  readonly threads?: number | undefined;
}

export interface BakeProgress {
  readonly type: 'bake';
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface BakeOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: BakeProgress) => void) | undefined;
}

/** A hybrid's padding may cost this part of the image. */
const maxPaddingShare = 0.03;

/**
 * Bakes a tree into an image and puts it into the store. The same tree, name and version give the
 * same image id on every machine: no time, owner or order of the directory goes into it.
 * @throws ImageError for a tree or manifest that can't be an image, with the path; ConfigError for
 * a path that can't be baked; StorageError when the disk is full or fails. Then nothing is left.
 */
export async function bake(
  components: { store: ImageStore; durability: TreeDurability },
  init: BakeInit,
  options: BakeOptions = {},
): Promise<StoredImage> {
  const { store, durability } = components;
  const source = await sourceDirectory(init.path, store);
  await store.open();
  await sweepUnfinishedBakes(store);
  const folder = join(store.directory, `${bakingPrefix}${process.pid}-${randomUUID()}`);
  try {
    const draft = await draftTree(source, init, options.signal);
    const tree = join(folder, draft.manifest.name);
    await mkdir(folder);
    await makeDirectories(tree, draft.layout);
    const metainfo = await hashInto(tree, source, draft, init, options);
    await sealTree({ durability }, tree, draft.layout, options);
    const { imageId } = metainfo.info;
    const torrent = join(folder, `${imageId}.torrent`);
    await writeFile(torrent, encodeTorrent(metainfo), { mode: 0o444 });
    await durability.syncFile(torrent);
    await durability.syncDirectory(folder);
    options.signal?.throwIfAborted();
    if (!(await store.has(imageId))) await store.commit(imageId, folder);
    return await store.read(imageId);
  } finally {
    await removeTree(folder);
  }
}

const bakingPrefix = '.baking-';

/** Removes what a bake left that was killed. */
async function sweepUnfinishedBakes(store: ImageStore): Promise<void> {
  for (const name of await readdir(store.directory)) {
    if (!name.startsWith(bakingPrefix)) continue;
    const pid = Number(name.slice(bakingPrefix.length).split('-')[0]);
    const lives = await lstat(`/proc/${pid}`).then(
      () => true,
      () => false,
    );
    if (!lives) await removeTree(join(store.directory, name));
  }
}

async function sourceDirectory(path: string, store: ImageStore): Promise<string> {
  const stats = await lstat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError('CONFIG_INVALID', `"${path}" can't be baked: ${cause.message}`, {
      cause,
    });
  });
  const real = await realpath(path);
  if (!stats.isDirectory() && !(await lstat(real)).isDirectory()) {
    throw new ConfigError('CONFIG_INVALID', `"${path}" can't be baked: it is not a directory`);
  }
  const inside = await realpath(store.directory).catch(() => store.directory);
  if (`${inside}${sep}`.startsWith(`${real}${sep}`)) {
    throw new ConfigError(
      'CONFIG_INVALID',
      `"${path}" can't be baked: the store ${store.directory} lies in it; choose another store`,
    );
  }
  return real;
}

interface Draft {
  readonly entries: readonly Exclude<TreeEntry, { kind: 'emptyDirectory' }>[];
  readonly layout: TreeLayout;
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
}

/** Lists the tree as it will be: sorted, and with its final manifest. */
async function draftTree(
  source: string,
  init: BakeInit,
  signal: AbortSignal | undefined,
): Promise<Draft> {
  const walked = await walkTree(source, { signal });
  const emptyDirectories = walked
    .filter((entry) => entry.kind === 'emptyDirectory' && entry.path !== '.starling')
    .map((entry) => entry.path)
    .sort(compareTreePaths);
  const { manifest, manifestBytes } = await completeManifest(
    source,
    init,
    walked,
    emptyDirectories,
  );
  const entries = walked.filter((entry) => entry.kind !== 'emptyDirectory');
  const others = entries.filter((entry) => entry.path !== manifestPath);
  const withManifest: Draft['entries'] = [...others, manifestEntry(manifestBytes)];
  const sorted = [...withManifest].sort((a, b) => compareTreePaths(a.path, b.path));
  const files = sorted.filter((entry) => entry.kind === 'file');
  const links = sorted.filter((entry) => entry.kind === 'link');
  return { entries: sorted, layout: { files, links, emptyDirectories }, manifest, manifestBytes };
}

const noState = { inode: 0n, sizeBytes: 0n, modifiedNs: 0n, changedNs: 0n };

const manifestEntry = (bytes: Uint8Array): Draft['entries'][number] => ({
  kind: 'file',
  path: manifestPath,
  sizeBytes: bytes.length,
  executable: false,
  state: noState,
});

/** The tree's own manifest with what was given to bake. Bytes that say just that are kept. */
async function completeManifest(
  source: string,
  init: BakeInit,
  walked: readonly TreeEntry[],
  emptyDirectories: readonly string[],
): Promise<Pick<Draft, 'manifest' | 'manifestBytes'>> {
  const found = walked.find((entry) => entry.path === manifestPath);
  assertManifestFits(walked);
  const ownBytes = found === undefined ? undefined : await readFile(join(source, manifestPath));
  const own = ownBytes === undefined ? {} : parseJsonObject(ownBytes);
  const given = { name: init.name, version: init.version, kind: init.kind };
  const manifest = await checkManifest({
    ...own,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    emptyDirectories: emptyDirectories.length === 0 ? undefined : emptyDirectories,
  });
  const manifestBytes = serializeManifest(manifest);
  const same = ownBytes !== undefined && (await saysTheSame(ownBytes, manifestBytes));
  const bytes = same ? ownBytes : manifestBytes;
  if (bytes.length > maxManifestBytes) throw tooLarge(bytes.length);
  return { manifest, manifestBytes: bytes };
}

/** Throws where the tree has something else in the manifest's place. */
function assertManifestFits(walked: readonly TreeEntry[]): void {
  const folder = dirname(manifestPath);
  for (const entry of walked) {
    if (entry.path === folder && entry.kind !== 'emptyDirectory') {
      throw new ImageError('IMAGE_TREE', `"${folder}" can't be baked: make it a directory`, {
        evidence: { path: folder },
      });
    }
    if (entry.path !== manifestPath && !entry.path.startsWith(`${manifestPath}/`)) continue;
    if (entry.kind !== 'file' || entry.path !== manifestPath) {
      throw new ImageError('IMAGE_MANIFEST', `${manifestPath} is no regular file; make it one`);
    }
    if (entry.sizeBytes > maxManifestBytes) throw tooLarge(entry.sizeBytes);
  }
}

const tooLarge = (bytes: number): ImageError =>
  new ImageError(
    'IMAGE_MANIFEST',
    `${manifestPath} is ${bytes} bytes long with all that bake adds, ${maxManifestBytes} are allowed`,
  );

async function saysTheSame(ownBytes: Uint8Array, manifestBytes: Uint8Array): Promise<boolean> {
  try {
    return Buffer.from(serializeManifest(await parseManifest(ownBytes))).equals(manifestBytes);
  } catch {
    // It leaves out what was given to bake.
    return false;
  }
}

async function hashInto(
  tree: string,
  source: string,
  draft: Draft,
  init: BakeInit,
  options: BakeOptions,
): Promise<Metainfo> {
  const files = draft.entries.filter((entry) => entry.kind === 'file');
  const bytesTotal = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const pieceSizeBytes = init.pieceSizeBytes ?? choosePieceSize(bytesTotal);
  const padding = draft.entries.reduce(
    (sum, entry) =>
      entry.kind === 'file' && isPadded(draft.entries.length)
        ? sum + paddingBytes(entry.sizeBytes, pieceSizeBytes)
        : sum,
    0,
  );
  const hybrid = init.hybrid ?? padding < maxPaddingShare * bytesTotal;
  await writeFile(join(tree, manifestPath), draft.manifestBytes);
  const toHash: FileToHash[] = draft.entries.flatMap((entry) => {
    if (entry.kind !== 'file') return [];
    const destination = join(tree, entry.path);
    const isManifest = entry.path === manifestPath;
    return {
      path: entry.path,
      sizeBytes: entry.sizeBytes,
      source: isManifest ? destination : join(source, entry.path),
      destination: isManifest ? undefined : destination,
      padded: isPadded(draft.entries.length),
    };
  });
  const hashed = await hashFiles(
    toHash,
    { pieceSizeBytes, v1: hybrid, threads: init.threads },
    {
      signal: options.signal,
      onBytes: (bytesDone) => options.onProgress?.({ type: 'bake', bytesDone, bytesTotal }),
    },
  );
  await assertUnchanged(source, draft);
  return describe(draft, hashed, pieceSizeBytes, hybrid);
}

/** Throws when the tree is not what it was when it was listed. */
async function assertUnchanged(source: string, draft: Draft): Promise<void> {
  for (const entry of draft.entries) {
    if (entry.kind !== 'file' || entry.path === manifestPath) continue;
    const stats = await lstat(join(source, entry.path), { bigint: true }).catch(() => undefined);
    if (stats === undefined || !sameState(entry.state, fileState(stats))) {
      throw new ImageError(
        'IMAGE_CHANGED',
        `"${entry.path}" changed while it was baked; bake a tree that nothing writes to`,
        { evidence: { path: entry.path } },
      );
    }
  }
}

function describe(
  draft: Draft,
  hashed: ReadonlyMap<string, HashedFile>,
  pieceSizeBytes: number,
  hybrid: boolean,
): Metainfo {
  const entries: InfoEntry[] = draft.entries.map((entry) =>
    entry.kind === 'link' ? entry : { ...entry, root: hashed.get(entry.path)?.root },
  );
  const v1Pieces = hybrid
    ? Buffer.concat(draft.entries.map((entry) => hashed.get(entry.path)?.v1 ?? Buffer.alloc(0)))
    : undefined;
  const info = parseInfo(
    encodeInfo({ name: draft.manifest.name, pieceSizeBytes, entries, v1Pieces }),
  );
  const pieceLayers = new Map<string, Buffer>();
  for (const file of info.files) {
    const layer = hashed.get(file.path)?.layer;
    if (file.root === undefined || file.pieceCount < 2 || layer === undefined) continue;
    pieceLayers.set(file.root.toString('hex'), layer);
  }
  return { info, pieceLayers };
}
