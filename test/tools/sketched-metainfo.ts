import { encodeInfo } from '../../src/image/info-builder.ts';
import {
  blockBytes,
  fileRoot,
  hashBlocks,
  parseInfo,
  pieceRoot,
  type Metainfo,
  type StoredImage,
} from '../../src/image/index.ts';

/** Files by path: their content, and whether they are executable when the path ends with `*`. */
export type SketchedFiles = Readonly<Record<string, Buffer>>;

/** The metainfo of files that are nowhere on disk. */
export function sketchedMetainfo(files: SketchedFiles, pieceSizeBytes: number): Metainfo {
  const pieceLayers = new Map<string, Buffer>();
  const entries = Object.keys(files)
    .sort()
    .map((path) => {
      const data = files[path] ?? Buffer.alloc(0);
      const root = data.length === 0 ? undefined : fileRoot(hashBlocks(data));
      if (root !== undefined && data.length > pieceSizeBytes) {
        pieceLayers.set(root.toString('hex'), layerOf(data, pieceSizeBytes));
      }
      const executable = path.endsWith('*');
      return { kind: 'file' as const, path, sizeBytes: data.length, executable, root };
    });
  const encoded = encodeInfo({ name: 'app', pieceSizeBytes, entries, v1Pieces: undefined });
  return { info: parseInfo(encoded), pieceLayers };
}

/** The same as an image of a store whose tree is at `tree`. */
export function sketchedImage(
  files: SketchedFiles,
  pieceSizeBytes: number,
  tree = '/stored',
): StoredImage {
  const metainfo = sketchedMetainfo(files, pieceSizeBytes);
  return { imageId: metainfo.info.imageId, metainfo, tree };
}

function layerOf(data: Buffer, pieceSizeBytes: number): Buffer {
  const layer: Buffer[] = [];
  for (let start = 0; start < data.length; start += pieceSizeBytes) {
    const leaves = hashBlocks(data.subarray(start, start + pieceSizeBytes));
    layer.push(pieceRoot(leaves, pieceSizeBytes / blockBytes, false));
  }
  return Buffer.concat(layer);
}
