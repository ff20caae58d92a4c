import { chmod, lstat, mkdir, open, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ImageError } from '../errors.ts';
import {
  encodeTorrent,
  hashBlocks,
  carryOut,
  makeDirectories,
  manifestPath,
  parseTorrent,
  pieceHash,
  pieceRoot,
  readManifest,
  sealTree,
  ReusePlanner,
  reuseScratch,
  type ReuseTrouble,
  type TreeDurability,
  type ImageFile,
  type ImageStore,
  type Metainfo,
  type StoredImage,
  type TreeLayout,
} from '../image/index.ts';
import { Bitfield } from '../policy/index.ts';
import { PieceMap } from './piece-map.ts';
import { storageFailure } from './storage-failure.ts';

export interface IncomingComponents {
  readonly store: ImageStore;
  readonly durability: TreeDurability;
}

/** A bitmap that is not written does no harm: after a kill, pieces of so long are fetched again. */
const gatherNotesMs = 20;

/**
 * An image that is being fetched, on disk. The data planes write pieces that they have verified, each
 * is noted in a bitmap after it is written, and what the bitmap says is hashed again before it is
 * believed after a restart: the bitmap may have reached the disk when the data did not.
 */
export class IncomingImage implements AsyncDisposable {
  readonly metainfo: Metainfo;
  readonly pieces: PieceMap;
  /** The pieces that are verified and written. */
  readonly have: Bitfield;
  readonly #components: IncomingComponents;
  readonly #folder: string;
  /** Files that are links into other images: read-only and on disk already. */
  readonly #linked = new Set<string>();
  #noted: Promise<void> = Promise.resolve();
  #verifiedBytes = 0;
  #noteTimer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(components: IncomingComponents, metainfo: Metainfo) {
    this.#components = components;
    this.metainfo = metainfo;
    this.pieces = new PieceMap(metainfo.info);
    this.have = new Bitfield(metainfo.info.pieceCount);
    this.#folder = components.store.incomingPath(metainfo.info.imageId);
  }

  get tree(): string {
    return join(this.#folder, this.metainfo.info.name);
  }

  get #bitmapPath(): string {
    // The image may be called anything else, and its tree lies beside this.
    return join(this.#folder, `${this.metainfo.info.imageId}.verified`);
  }

  get #torrentPath(): string {
    return torrentPath(this.#components.store, this.metainfo.info.imageId);
  }

  /** The metainfo of a fetch that was begun before, if it was kept whole. */
  static async findMetainfo(store: ImageStore, imageId: string): Promise<Metainfo | undefined> {
    try {
      const metainfo = parseTorrent(await readFile(torrentPath(store, imageId)));
      return metainfo.info.imageId === imageId ? metainfo : undefined;
    } catch {
      // Half-written or damaged: it is fetched again.
      return undefined;
    }
  }

  /**
   * Begins to fetch an image, or goes on where it was left.
   * @throws StorageError when the folder can't be made
   */
  static async open(
    components: IncomingComponents,
    metainfo: Metainfo,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<IncomingImage> {
    const image = new IncomingImage(components, metainfo);
    try {
      const isNew = (await mkdir(image.#folder, { recursive: true })) !== undefined;
      await image.#prepare();
      if (!isNew) await image.#resume(options.signal);
      await image.#writeBitmap();
    } catch (error) {
      options.signal?.throwIfAborted();
      throw storageFailure('preparing', image.#folder, error);
    }
    return image;
  }

  async #prepare(): Promise<void> {
    const { info } = this.metainfo;
    // Completing makes it read-only, and may have been cut short.
    await rm(this.#torrentPath, { force: true });
    await rm(reuseScratch(this.tree, this.metainfo), { recursive: true, force: true });
    await writeFile(this.#torrentPath, encodeTorrent(this.metainfo));
    const { files, links } = info;
    await makeDirectories(this.tree, { files, links, emptyDirectories: [] });
  }

  /**
   * Hashes what the bitmap says is here, and forgets what does not hold. Without a bitmap that makes
   * sense all is hashed: it is removed when an image is completed, which may have been cut short.
   */
  async #resume(signal: AbortSignal | undefined): Promise<void> {
    const bytes = await readFile(this.#bitmapPath).catch(() => undefined);
    const claimed = bytes && Bitfield.parse(this.have.length, bytes);
    for (const file of this.metainfo.info.files) {
      if (file.pieceCount === 0) continue;
      signal?.throwIfAborted();
      const pieces = piecesOf(file).filter((piece) => claimed?.has(piece) !== false);
      await this.#resumeFile(file, pieces);
    }
  }

  async #resumeFile(file: ImageFile, pieces: readonly number[]): Promise<void> {
    const path = join(this.tree, file.path);
    const stats = await lstat(path).catch(() => undefined);
    if (stats === undefined) return;
    const holds: number[] = [];
    for (const piece of stats.size > 0 ? pieces : []) {
      if (await this.#holds(file, piece)) holds.push(piece);
    }
    if (stats.nlink > 1 && holds.length < file.pieceCount) {
      // Linked to another image, and not whole: writing here would write there.
      await unlink(path);
      return;
    }
    if ((stats.mode & 0o200) === 0 && stats.nlink === 1) await chmod(path, 0o644);
    for (const piece of holds) this.#hold(piece);
  }

  async #holds(file: ImageFile, piece: number): Promise<boolean> {
    const data = Buffer.allocUnsafe(this.pieces.sizeBytes(piece));
    const offset = this.pieces.offsetBytes(piece);
    await using handle = await open(join(this.tree, file.path), 'r');
    const { bytesRead } = await handle.read(data, 0, data.length, offset);
    return bytesRead === data.length && this.isPiece(piece, data);
  }

  /** Whether `data` is the content of this piece: its blocks lead to the root of its file. */
  isPiece(piece: number, data: Uint8Array): boolean {
    const file = this.pieces.fileOf(piece);
    const root = pieceRoot(hashBlocks(data), this.pieces.blocksPerPiece, file.pieceCount === 1);
    return root.equals(pieceHash(this.metainfo, file, piece));
  }

  /** How many bytes the pieces have that are verified and written. */
  get verifiedBytes(): number {
    return this.#verifiedBytes;
  }

  /** @returns whether it is new */
  #hold(piece: number): boolean {
    if (!this.have.add(piece)) return false;
    this.#verifiedBytes += this.pieces.sizeBytes(piece);
    return true;
  }

  #lose(piece: number): void {
    if (this.have.remove(piece)) this.#verifiedBytes -= this.pieces.sizeBytes(piece);
  }

  /**
   * Notes that a piece is verified and written. The bitmap follows soon.
   * @returns whether it is new
   */
  note(piece: number): boolean {
    if (!this.#hold(piece)) return false;
    this.#noteSoon();
    return true;
  }

  /** What is noted within a short time is written together. */
  #noteSoon(): void {
    if (this.#closed) return;
    this.#noteTimer ??= setTimeout(() => {
      this.#noteTimer = undefined;
      this.#noted = this.#noted.then(() => this.#writeBitmap()).catch(() => undefined);
    }, gatherNotesMs);
  }

  /**
   * Takes over what this host already has, whole files and ranges of them, after hashing it again;
   * what can't be taken over will be fetched.
   * @returns how many bytes were taken over
   */
  async reuse(
    options: {
      signal?: AbortSignal | undefined;
      onTrouble?: ((trouble: ReuseTrouble) => void) | undefined;
    } = {},
  ): Promise<number> {
    const { store } = this.#components;
    const stored = await store.list();
    if (stored.length === 0) return 0;
    const planner = new ReusePlanner(this.metainfo, (piece) => this.have.has(piece));
    // One at a time, so that no more than one foreign metainfo is in memory.
    for (const imageId of stored) {
      options.signal?.throwIfAborted();
      const image = await store.read(imageId).catch(() => undefined);
      if (image !== undefined) planner.add(image);
    }
    const { linked, reusedBytes } = await carryOut(planner.plan(), {
      tree: this.tree,
      ...options,
      onPiece: (piece) => {
        this.#hold(piece);
      },
    });
    for (const path of linked) this.#linked.add(path);
    await this.#writeBitmap();
    return reusedBytes;
  }

  async #writeBitmap(): Promise<void> {
    try {
      await writeFile(this.#bitmapPath, this.have.toBytes());
    } catch (error) {
      throw storageFailure('writing', this.#bitmapPath, error);
    }
  }

  /**
   * Makes the whole image part of the store: read-only and on disk, by one rename.
   * @throws StorageError when the disk is full or fails; it may be tried again.
   */
  async complete(options: { signal?: AbortSignal | undefined } = {}): Promise<StoredImage> {
    const { store, durability } = this.#components;
    const { imageId, files, links } = this.metainfo.info;
    const hasManifest = files.some((file) => file.path === manifestPath);
    try {
      const manifest = hasManifest ? await readManifest(this.tree) : undefined;
      const layout = { files, links, emptyDirectories: manifest?.emptyDirectories ?? [] };
      assertEmpty(layout);
      await makeDirectories(this.tree, layout);
      await this.#makeEmptyFiles();
      const seal = { ...options, sealed: this.#linked };
      await sealTree({ durability: this.#forgetting() }, this.tree, layout, seal);
      await this.#flushNotes();
      await chmod(this.#torrentPath, 0o444);
      await durability.syncFile(this.#torrentPath);
      await rm(this.#bitmapPath, { force: true });
      await durability.syncDirectory(this.#folder);
      await store.commit(imageId, this.#folder);
      return store.stored(this.metainfo);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw storageFailure('completing', this.#folder, error);
    }
  }

  /**
   * Shows that the disk holds what is still missing, by writing as much and syncing it: a thin disk
   * tells the truth only then.
   * @throws StorageError
   */
  async assertRoom(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const probe = join(this.#folder, '.room');
    let left = 0;
    for (let piece = 0; piece < this.have.length; piece++) {
      if (!this.have.has(piece)) left += this.pieces.sizeBytes(piece);
    }
    try {
      await using handle = await open(probe, 'w');
      // Not zeros: what lies below may keep those for nothing.
      const filling = Buffer.alloc(1 << 20, 'room');
      for (; left > 0; left -= filling.length) {
        options.signal?.throwIfAborted();
        await handle.write(filling, 0, Math.min(left, filling.length));
      }
      await handle.sync();
    } catch (error) {
      options.signal?.throwIfAborted();
      throw storageFailure('looking for room in', this.#folder, error);
    } finally {
      await unlink(probe).catch(() => undefined);
    }
  }

  /** Files without pieces come into being only now. */
  async #makeEmptyFiles(): Promise<void> {
    for (const file of this.metainfo.info.files) {
      const path = join(this.tree, file.path);
      if (file.sizeBytes > 0) continue;
      await unlink(path).catch(ignoreMissing);
      await writeFile(path, '');
    }
  }

  /**
   * What can't be synced is not what was written, whatever reading it says, and Linux reports such a
   * failure once and drops the pages. So all that was written is forgotten, and fetched again.
   */
  #forgetting(): TreeDurability {
    const { durability } = this.#components;
    return {
      ...durability,
      syncTree: async (root, paths) => {
        try {
          await durability.syncTree(root, paths);
        } catch (error) {
          for (const file of this.metainfo.info.files) {
            if (this.#linked.has(file.path)) continue;
            for (const piece of piecesOf(file)) this.#lose(piece);
            await unlink(join(this.tree, file.path)).catch(() => undefined);
          }
          throw error;
        }
      },
    };
  }

  /** Writes what was noted; what is on disk stays, to go on from. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const untold = this.#noteTimer !== undefined;
    await this.#flushNotes();
    // A disk that fails has been told of already, or is when the fetch goes on.
    if (untold) await this.#writeBitmap().catch(() => undefined);
  }

  async #flushNotes(): Promise<void> {
    clearTimeout(this.#noteTimer);
    this.#noteTimer = undefined;
    await this.#noted;
  }
}

/** @throws ImageError IMAGE_MANIFEST when an empty directory is where a file or link is */
function assertEmpty({ files, links, emptyDirectories }: TreeLayout): void {
  const taken = new Set([...files, ...links].map(({ path }) => path));
  for (const directory of emptyDirectories) {
    for (let at = directory; at !== '.'; at = dirname(at)) {
      if (!taken.has(at)) continue;
      throw new ImageError(
        'IMAGE_MANIFEST',
        `${manifestPath} is refused: the empty directory "${directory}" lies at or below "${at}", which is none`,
        { evidence: { directory } },
      );
    }
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

const torrentPath = (store: ImageStore, imageId: string): string =>
  join(store.incomingPath(imageId), `${imageId}.torrent`);

const piecesOf = (file: ImageFile): number[] =>
  Array.from({ length: file.pieceCount }, (_, index) => file.firstPiece + index);
