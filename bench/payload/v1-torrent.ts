import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { encodeBencode } from '../../src/image/index.ts';
import type { ListedFile } from './tree-listing.ts';

/** The info dictionary of a v1-only torrent (BEP 3): for clients that refuse hybrids. */
export interface V1Info {
  readonly name: string;
  readonly pieceSizeBytes: number;
  readonly files: readonly ListedFile[];
  readonly pieces: Buffer;
}

/** Hashes a tree as BitTorrent v1 does: its files one after the other, without padding. */
export async function hashV1(
  tree: string,
  init: { name: string; pieceSizeBytes: number; files: readonly ListedFile[] },
  { signal }: { signal: AbortSignal },
): Promise<V1Info> {
  const { pieceSizeBytes, files } = init;
  const pieces: Buffer[] = [];
  let piece = createHash('sha1');
  let filled = 0;
  const take = (chunk: Buffer) => {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + pieceSizeBytes - filled);
      piece.update(part);
      at += part.length;
      filled += part.length;
      if (filled < pieceSizeBytes) continue;
      pieces.push(piece.digest());
      piece = createHash('sha1');
      filled = 0;
    }
  };
  for (const { path } of files) {
    const stream = createReadStream(join(tree, path), { highWaterMark: 1 << 20, signal });
    for await (const chunk of stream) take(chunk as Buffer);
  }
  if (filled > 0) pieces.push(piece.digest());
  return { ...init, pieces: Buffer.concat(pieces) };
}

/** The bytes of a .torrent. */
export const encodeV1 = (info: V1Info, tracker?: string): Buffer =>
  encodeBencode({ announce: tracker, info: dictionary(info) });

export const infoHashV1 = (info: V1Info): string => hash('sha1', encodeBencode(dictionary(info)));

const dictionary = (info: V1Info) => ({
  files: info.files.map(({ path, sizeBytes }) => ({ length: sizeBytes, path: path.split('/') })),
  name: info.name,
  'piece length': info.pieceSizeBytes,
  pieces: info.pieces,
});
