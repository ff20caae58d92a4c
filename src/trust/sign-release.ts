import { hash } from 'node:crypto';
import { MetaFile, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models';
import { imageIdOf } from '../image/index.ts';
import { ConfigError } from '../errors.ts';
import { channelPath, parseChannelPath } from './channel-path.ts';
import { defaultExpiry, type Expiry } from './expiry.ts';
import { readSet, verifyUpdate, type MetadataSet } from './metadata-set.ts';
import { releaseIn, type Release } from './release.ts';
import { readTrustedRoot } from './root-chain.ts';
import { checkSignatures } from './signature-check.ts';
import type { SignedDocument } from './signed-document.ts';
import { expiryText, signedText, specVersion } from './signed-text.ts';
import type { SigningKeys } from './signing-key.ts';

export interface SigningInit {
  /** The text of root.json, which names the keys. */
  readonly root: string;
  readonly keys: SigningKeys;
  readonly now: Date;
  readonly expiry?: Partial<Expiry> | undefined;
}

type Current = ReturnType<typeof readSet>;

/**
 * Signs that a channel now names an image: target path `APP/CHANNEL`, length and SHA-256 those of
 * the info dictionary. The release number and the version of each file are one higher than in
 * `current`; the other channels stay as they are. The result has passed `verifyUpdate`.
 * @throws ConfigError CONFIG_INVALID when the release or a key is not one that root allows.
 * @throws RepositoryError when `current` is not signed by the keys of root, or the result would be
 * refused, for instance because root asks for the signatures of more keys.
 */
export function signRelease(
  init: SigningInit & {
    readonly current: MetadataSet | undefined;
    readonly release: Omit<Release, 'release'>;
  },
): { set: MetadataSet; release: Release } {
  const current = readCurrent(init, init.current);
  const path = channelPath(init.release);
  parseChannelPath(path);
  const before = current === undefined ? undefined : releaseIn(current.targets, init.release);
  const release = { ...init.release, release: (before?.release ?? 0) + 1 };
  checkImageId(release);
  const target = new TargetFile({
    path,
    length: release.infoBytes,
    hashes: { sha256: release.infoHash },
    unrecognizedFields: {
      custom: { image: release.imageId, release: release.release, version: release.version },
    },
  });
  const set = signSet(init, current, signTargets(init, current, target));
  verifyUpdate({ ...init, next: set });
  return { set, release };
}

/**
 * Signs the same releases again, so that they don't expire: new timestamp and snapshot, and a new
 * targets when less than a third of its time is left. The result has passed `verifyUpdate`.
 * @throws as signRelease.
 */
export function renew(init: SigningInit & { readonly current: MetadataSet }): MetadataSet {
  const current = readCurrent(init, init.current);
  const { targetsMs } = { ...defaultExpiry, ...init.expiry };
  const leftMs = Date.parse(current.targets.signed.expires) - init.now.getTime();
  const near = leftMs < targetsMs / 3;
  const set = signSet(init, current, near ? signTargets(init, current) : init.current.targets);
  verifyUpdate({ ...init, next: set });
  return set;
}

function readCurrent(init: SigningInit, set: MetadataSet): Current;
function readCurrent(init: SigningInit, set: MetadataSet | undefined): Current | undefined;
function readCurrent(init: SigningInit, set: MetadataSet | undefined): Current | undefined {
  const root = readTrustedRoot(init.root);
  for (const role of ['targets', 'snapshot', 'timestamp'] as const) {
    const { keyID } = init.keys[role].key;
    const expected = root.signed.roles[role].keyids;
    if (expected.includes(keyID)) continue;
    throw new ConfigError(
      'CONFIG_INVALID',
      `The key in ${role}.key is not one that root.json names for ${role}: the keys and the root.json that were given belong to different repositories`,
      { evidence: { role, expected, actual: keyID } },
    );
  }
  if (set === undefined) return undefined;
  const current = readSet(set);
  // Its other channels are signed again, so they must be what these keys have signed before.
  checkSignatures(root, current.targets);
  return current;
}

function checkImageId(release: Release): void {
  const { imageId: actual, infoHash } = release;
  const isHash = /^[0-9a-f]{64}$/.test(infoHash);
  const expected = isHash ? imageIdOf(Buffer.from(infoHash, 'hex')) : undefined;
  if (actual === expected) return;
  throw new ConfigError(
    'CONFIG_INVALID',
    `"${actual}" is not the image id of the info-hash "${infoHash}": nothing was signed. Take both from the same image`,
    { evidence: { expected, actual, infoHash } },
  );
}

function signTargets(init: SigningInit, current: Current | undefined, target?: TargetFile): string {
  const before = current?.targets.metadata.signed;
  const targets = new Targets({
    ...headOf(init, current?.targets, 'targetsMs'),
    targets: { ...before?.targets },
    ...(before?.delegations === undefined ? {} : { delegations: before.delegations }),
  });
  if (target !== undefined) targets.addTarget(target);
  return signedText(targets, [init.keys.targets]);
}

function signSet(init: SigningInit, current: Current | undefined, targets: string): MetadataSet {
  const targetsVersion =
    (current?.targets.signed.version ?? 0) + (targets === current?.targets.text ? 0 : 1);
  const snapshot = signedText(
    new Snapshot({
      ...headOf(init, current?.snapshot, 'snapshotMs'),
      // Files of delegations, if there are any, are kept as they were.
      meta: {
        ...current?.snapshot.metadata.signed.meta,
        'targets.json': metaFile(targetsVersion, targets),
      },
    }),
    [init.keys.snapshot],
  );
  const snapshotVersion = (current?.snapshot.signed.version ?? 0) + 1;
  const timestamp = signedText(
    new Timestamp({
      ...headOf(init, current?.timestamp, 'timestampMs'),
      snapshotMeta: metaFile(snapshotVersion, snapshot),
    }),
    [init.keys.timestamp],
  );
  return { targets, snapshot, timestamp };
}

function headOf(
  init: SigningInit,
  before: SignedDocument<'targets' | 'snapshot' | 'timestamp'> | undefined,
  duration: keyof Expiry,
): { specVersion: string; version: number; expires: string } {
  const afterMs = { ...defaultExpiry, ...init.expiry }[duration];
  const version = (before?.signed.version ?? 0) + 1;
  return { specVersion, version, expires: expiryText(init.now, afterMs) };
}

function metaFile(version: number, text: string): MetaFile {
  const hashes = { sha256: hash('sha256', text) };
  return new MetaFile({ version, length: Buffer.byteLength(text), hashes });
}
