import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { IncomingImage } from '../../src/swarm/incoming-image.ts';

/** Writes a piece where it belongs and notes it, as the data planes do when they have verified it. */
export async function writePiece(
  incoming: IncomingImage,
  piece: number,
  data: Buffer,
): Promise<void> {
  const path = join(incoming.tree, incoming.pieces.fileOf(piece).path);
  await using file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  await file.write(data, 0, data.length, incoming.pieces.offsetBytes(piece));
  incoming.note(piece);
}
