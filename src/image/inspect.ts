import type { ImageInfo } from './image-info.ts';
import type { Health, Manifest } from './manifest-schema.ts';
import { readManifest, type StoredImage } from './image-store.ts';
import { magnetLink } from './magnet.ts';

/** What `inspect` tells of an image. */
export interface ImageDescription extends FromManifest {
  readonly id: string;
  readonly infoHash: string;
  readonly v1InfoHash: string | undefined;
  readonly magnet: string;
  readonly name: string;
  readonly bytes: number;
  readonly files: number;
  readonly links: number;
  readonly pieceSizeBytes: number;
  readonly pieces: number;
  readonly hybrid: boolean;
}

interface FromManifest {
  readonly version: string;
  readonly kind: Manifest['kind'];
  readonly start: readonly string[] | undefined;
  readonly health: Health | undefined;
  readonly needs: readonly string[];
  readonly tree: string;
}

/** What an info dictionary alone tells. */
export function describeInfo(info: ImageInfo): Omit<ImageDescription, keyof FromManifest> {
  return {
    id: info.imageId,
    infoHash: info.infoHash.toString('hex'),
    v1InfoHash: info.v1InfoHash?.toString('hex'),
    magnet: magnetLink({ infoHash: info.infoHash, name: info.name }),
    name: info.name,
    bytes: info.sizeBytes,
    files: info.files.length,
    links: info.links.length,
    pieceSizeBytes: info.pieceSizeBytes,
    pieces: info.pieceCount,
    hybrid: info.v1InfoHash !== undefined,
  };
}

/** Describes an image of the store. */
export async function inspect(image: StoredImage): Promise<ImageDescription> {
  const manifest = await readManifest(image.tree);
  return {
    ...describeInfo(image.metainfo.info),
    version: manifest.version,
    kind: manifest.kind,
    start: manifest.start,
    health: manifest.health,
    needs: Object.keys(manifest.needs ?? {}),
    tree: image.tree,
  };
}
