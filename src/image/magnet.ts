import { base32 } from 'multiformats/bases/base32';
import { ImageError } from '../errors.ts';
import { imageIdOf } from './image-id.ts';

export interface Magnet {
  readonly imageId: string;
  readonly infoHash: Buffer;
  /** Of a hybrid: the v1 info-hash (`urn:btih`) that the link claims, 20 bytes. */
  readonly v1InfoHash?: Buffer;
  readonly name?: string;
  readonly trackers: readonly string[];
}

/** The magnet link of an image (BEP 9; `urn:btmh` with the multihash prefix 1220, BEP 52). */
export function magnetLink(image: {
  infoHash: Uint8Array;
  name?: string;
  trackers?: readonly string[];
}): string {
  return linkTo(`urn:btmh:1220${Buffer.from(image.infoHash).toString('hex')}`, image);
}

/** The magnet link of a v1 torrent, by its SHA-1 info-hash (BEP 9; `urn:btih`). */
export function v1MagnetLink(torrent: {
  infoHash: Uint8Array;
  name?: string;
  trackers?: readonly string[];
}): string {
  return linkTo(`urn:btih:${Buffer.from(torrent.infoHash).toString('hex')}`, torrent);
}

function linkTo(
  topic: string,
  { name, trackers = [] }: { name?: string; trackers?: readonly string[] },
): string {
  const fields = [`xt=${topic}`];
  if (name !== undefined) fields.push(`dn=${encodeURIComponent(name)}`);
  for (const tracker of trackers) fields.push(`tr=${encodeURIComponent(tracker)}`);
  return `magnet:?${fields.join('&')}`;
}

/**
 * Reads a magnet link with a v2 info-hash, and maybe the v1 info-hash of the same hybrid.
 * @throws ImageError IMAGE_ID when it is none, or names a v1 torrent only.
 */
export function parseMagnet(text: string): Magnet {
  const refuse = (why: string) =>
    new ImageError('IMAGE_ID', `the magnet link can't be used: ${why}`, {
      evidence: { magnet: text.slice(0, 200) },
    });
  if (text.length > 16_384) throw refuse('it is longer than 16,384 characters');
  if (!text.startsWith('magnet:?')) throw refuse('it does not start with magnet:?');
  const fields = new URLSearchParams(text.slice('magnet:?'.length));
  const topic = fields.getAll('xt').find((value) => value.startsWith('urn:btmh:'));
  if (topic === undefined) throw refuse('it has no urn:btmh, so it names no v2 image');
  const match = /^urn:btmh:1220([0-9a-f]{64})$/i.exec(topic);
  if (match?.[1] === undefined) throw refuse('its urn:btmh is not a SHA-256 multihash (1220…)');
  const infoHash = Buffer.from(match[1], 'hex');
  const v1 = v1InfoHashOf(fields, refuse);
  const name = fields.get('dn');
  return {
    imageId: imageIdOf(infoHash),
    infoHash,
    trackers: fields.getAll('tr').slice(0, 100),
    ...(v1 === undefined ? {} : { v1InfoHash: v1 }),
    ...(name === null ? {} : { name }),
  };
}

/** In hex, or, as old links have it, in base32 (BEP 9). */
function v1InfoHashOf(fields: URLSearchParams, refuse: (why: string) => Error): Buffer | undefined {
  const topic = fields.getAll('xt').find((value) => value.startsWith('urn:btih:'));
  if (topic === undefined) return undefined;
  const text = topic.slice('urn:btih:'.length);
  if (/^[0-9a-f]{40}$/i.test(text)) return Buffer.from(text, 'hex');
  if (/^[a-z2-7]{32}$/i.test(text)) return Buffer.from(base32.baseDecode(text.toLowerCase()));
  throw refuse('its urn:btih is no SHA-1, in hex or base32');
}
