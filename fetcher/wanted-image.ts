import { open } from 'node:fs/promises';
import { ConfigError, ImageError } from '../src/errors.ts';
import {
  infoHashOf,
  maxInfoBytes,
  parseMagnet,
  parseTorrent,
  readV1Torrent,
  type Metainfo,
  type V1Layout,
} from '../src/image/index.ts';

/** An image that is to be fetched, and what is known of it beforehand. */
export interface WantedImage {
  readonly imageId: string;
  readonly trackers: readonly string[];
  readonly metainfo: Metainfo | undefined;
  /** What a magnet link says of its v1 half; believed when the info dictionary says so too. */
  readonly v1InfoHash: Buffer | undefined;
  /** The v1-only torrent of the same files. */
  readonly v1: V1Layout | undefined;
}

/** Beside an info dictionary as long as is allowed, piece layers of as many bytes again, and more. */
const maxTorrentBytes = 5 * maxInfoBytes;

/**
 * Reads what says which image is wanted: its id, a magnet link, or its .torrent.
 * @throws ConfigError where that can't be read or is missing; ImageError IMAGE_ID, IMAGE_METAINFO
 * where it is malformed, or one is not of the image that the other names
 */
export async function readWantedImage(
  argument: string | undefined,
  options: { readonly torrent?: string; readonly v1Torrent?: string; readonly open?: boolean },
): Promise<WantedImage> {
  const magnet = argument?.startsWith('magnet:') === true ? parseMagnet(argument) : undefined;
  const named = magnet?.imageId ?? argument;
  if (named !== undefined) infoHashOf(named);
  const metainfo =
    options.torrent === undefined ? undefined : await readTorrent(options.torrent, named);
  const imageId = named ?? metainfo?.info.imageId;
  if (imageId === undefined) {
    throw new ConfigError('CONFIG_MISSING', 'say which image: its id, a magnet link, or --torrent');
  }
  let v1: V1Layout | undefined;
  if (options.v1Torrent !== undefined) {
    if (metainfo === undefined || options.open !== true) {
      throw new ConfigError(
        'CONFIG_MISSING',
        '--v1-torrent needs --torrent, by whose hashes what comes is verified, and --open',
      );
    }
    v1 = readV1Torrent(metainfo.info, await readBounded('--v1-torrent', options.v1Torrent));
  }
  const trackers = magnet?.trackers ?? [];
  return { imageId, trackers, metainfo, v1InfoHash: magnet?.v1InfoHash, v1 };
}

async function readTorrent(path: string, named: string | undefined): Promise<Metainfo> {
  const metainfo = parseTorrent(await readBounded('--torrent', path));
  const { imageId } = metainfo.info;
  if (named === undefined || named === imageId) return metainfo;
  throw new ImageError(
    'IMAGE_METAINFO',
    `"${path}" is the .torrent of ${imageId}, not of ${named}`,
    {
      evidence: { expected: named, actual: imageId },
    },
  );
}

async function readBounded(option: string, path: string): Promise<Buffer> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > maxTorrentBytes) throw new Error('it is too large to be a .torrent');
    return await file.readFile();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('CONFIG_INVALID', `${option}: "${path}" can't be read: ${why}`, {
      evidence: { path },
      cause,
    });
  }
}
