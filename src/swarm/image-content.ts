import type { Metainfo } from '../image/index.ts';
import type { Bitfield } from '../policy/index.ts';
import { ImageReader } from './image-reader.ts';
import { PieceMap } from './piece-map.ts';

/** An image as it lies on this host: what its pieces are, which of them are here, and how they are read. */
export interface ImageContent {
  readonly metainfo: Metainfo;
  readonly pieces: PieceMap;
  readonly reader: ImageReader;
  readonly have: Bitfield;
}

export const contentOf = (metainfo: Metainfo, tree: string, have: Bitfield): ImageContent => ({
  metainfo,
  pieces: new PieceMap(metainfo.info),
  reader: new ImageReader({ info: metainfo.info, tree }),
  have,
});
