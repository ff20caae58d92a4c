import { writeFile } from 'node:fs/promises';
import { ConfigError } from '../src/errors.ts';
import {
  encodeTorrent,
  encodeV1Torrent,
  makeV1Torrent,
  v1MagnetLink,
  magnetLink,
  type MakeV1Options,
  type StoredImage,
} from '../src/image/index.ts';

/** A .torrent of an image, and what it is called by. */
export interface TorrentFile {
  readonly bytes: Buffer;
  /** In hex: SHA-256 of v2 and hybrid torrents, SHA-1 of a v1-only one. */
  readonly infoHash: string;
  readonly magnet: string;
}

/**
 * The .torrent of an image: as it is in the store, or for v1-only clients.
 * @throws StorageError, ImageError as makeV1Torrent
 */
export async function torrentFileOf(
  image: StoredImage,
  init: { readonly v1: boolean; readonly trackers: readonly string[] },
  options: MakeV1Options = {},
): Promise<TorrentFile> {
  const { trackers } = init;
  if (!init.v1) {
    const { info } = image.metainfo;
    return {
      bytes: encodeTorrent(image.metainfo, trackers),
      infoHash: info.infoHash.toString('hex'),
      magnet: magnetLink({ infoHash: info.infoHash, name: info.name, trackers }),
    };
  }
  const torrent = await makeV1Torrent(image, {}, options);
  const { infoHash, name } = torrent.layout;
  return {
    bytes: encodeV1Torrent(torrent, trackers),
    infoHash: infoHash.toString('hex'),
    magnet: v1MagnetLink({ infoHash, name, trackers }),
  };
}

/** Writes a .torrent. @throws ConfigError CONFIG_INVALID where it can't be written */
export async function writeTorrentFile(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, bytes).catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError(
      'CONFIG_INVALID',
      `--output: "${path}" can't be written: ${cause.message}`,
      {
        evidence: { path },
        cause,
      },
    );
  });
}
