import { Targets, type TargetFile } from '@tufjs/models';
import { imageIdOf } from '../image/index.ts';
import { ConfigError } from '../errors.ts';
import { parsePlan } from '../policy/index.ts';
import { channelPath, parseChannelPath } from './channel-path.ts';
import { completeSet } from './complete-set.ts';
import { delegationOf, namedIn } from './delegations.ts';
import { defaultExpiry, type Expiry } from './expiry.ts';
import type { MetadataSet, MetadataUpdate } from './metadata-set.ts';
import { checkHandover, releaseIn, termsOf, type Release } from './release.ts';
import { checkDelegatedSignatures, checkSignatures } from './signature-check.ts';
import { readDocument, type SignedDocument } from './signed-document.ts';
import { signedText } from './signed-text.ts';
import { maxPlanCharacters, releaseNeeds } from './metadata-schema.ts';
import {
  delegatedRole,
  headOf,
  knownFile,
  maySign,
  nextVersion,
  readBase,
  targetFile,
  topLevelRole,
  type Base,
  type SigningInit,
} from './signing-base.ts';
import { signersFor } from './signing-key.ts';

export type { SigningInit } from './signing-base.ts';

export type ReleaseInit = SigningInit & {
  readonly current: MetadataSet | undefined;
  readonly release: Omit<Release, 'release'>;
};

/**
 * Signs that a channel now names an image: target path `APP/CHANNEL`, length and SHA-256 those of
 * the info dictionary. The release number and the version of each file are one higher than in
 * `current`; the other channels stay as they are. The result has passed `verifyUpdate`.
 * @throws ConfigError CONFIG_INVALID when the release or a key is not one that root allows.
 * @throws RepositoryError when `current` is not signed by the keys of root, or the result would be
 * refused, for instance because root asks for the signatures of more keys.
 */
export function signRelease(init: ReleaseInit): { set: MetadataSet; release: Release } {
  const { update, release } = signReleaseFile(init);
  return { set: completeSet({ ...init, update, apps: [release.app] }), release };
}

/**
 * The same, but only the file that names the image, for a repository whose snapshot and timestamp
 * someone else signs: targets, or the file of the app where targets delegates it.
 * @throws as signRelease
 */
export function signReleaseFile(init: ReleaseInit): { update: MetadataUpdate; release: Release } {
  const base = readBase(init, init.current);
  const path = channelPath(init.release);
  parseChannelPath(path);
  const before = base.current === undefined ? undefined : releaseIn(base.current, init.release);
  const release = { ...init.release, release: (before?.release ?? 0) + 1 };
  checkImageId(release);
  checkTerms(release);
  const target = targetFile(path, {
    length: release.infoBytes,
    hashes: { sha256: release.infoHash },
    custom: {
      image: release.imageId,
      release: release.release,
      version: release.version,
      ...termsOf(release),
    },
  });
  const { app } = release;
  const isDelegated =
    base.current !== undefined && delegationOf(base.current.targets, app) !== undefined;
  const update = isDelegated
    ? { delegated: { [app]: signDelegated(init, base, app, target) } }
    : { targets: signTargets(init, base, { target }) };
  return { update, release };
}

/**
 * Signs the same releases again, so that they don't expire: new timestamp and snapshot, and a new
 * targets, or delegated file, when less than a third of its time is left. The result has passed
 * `verifyUpdate`.
 * @throws as signRelease.
 */
export function renew(init: SigningInit & { readonly current: MetadataSet }): MetadataSet {
  const update = renewFiles(init);
  const apps = Object.keys(init.current.delegated ?? {});
  return completeSet({ ...init, update, apps });
}

/**
 * Signs again those files that name images, for which there is a key, and of which less than a third
 * of the time is left; nothing of what they say is changed.
 * @param init `evenWhenFresh`: however much time is left
 * @throws as signRelease.
 */
export function renewFiles(
  init: SigningInit & { readonly current: MetadataSet; readonly evenWhenFresh?: boolean },
): MetadataUpdate {
  const base = readBase(init, init.current);
  const update: { targets?: string; delegated?: Record<string, string> } = {};
  if (base.current === undefined) return update;
  const { targets, delegated } = base.current;
  if (isDue(init, targets) && maySign(init.keys, topLevelRole(base.root, 'targets'))) {
    update.targets = signTargets(init, base, {});
  }
  for (const [app, document] of delegated) {
    if (!isDue(init, document) || !maySign(init.keys, delegatedRole(base, app))) continue;
    update.delegated = { ...update.delegated, [app]: signDelegated(init, base, app) };
  }
  return update;
}

/** Signs targets anew, with one channel or its delegations changed. */
export function signTargets(
  init: SigningInit,
  base: Base,
  change: {
    readonly target?: TargetFile;
    readonly targets?: Record<string, TargetFile>;
    readonly delegations?: Targets['delegations'];
  },
): string {
  const before = base.current?.targets.metadata.signed;
  const delegations = 'delegations' in change ? change.delegations : before?.delegations;
  const targets = new Targets({
    ...headOf(init, nextVersion(base.current?.targets), 'targetsMs'),
    targets: { ...(change.targets ?? before?.targets) },
    ...(delegations === undefined ? {} : { delegations }),
  });
  if (change.target !== undefined) targets.addTarget(change.target);
  const text = signedText(targets, signersFor(init.keys, topLevelRole(base.root, 'targets')));
  const document = readDocument('targets', text);
  if (init.mayBePartial !== true) checkSignatures(base.root, document);
  return text;
}

function signDelegated(init: SigningInit, base: Base, app: string, target?: TargetFile): string {
  const { current } = base;
  const role = delegatedRole(base, app);
  if (current === undefined) throw new Error('what delegates is there');
  const before = knownFile(current, app);
  // Also what was handed over, or signed by other keys, had a version.
  const lastVersion = namedIn(current.snapshot, app)?.version ?? 0;
  const signed = new Targets({
    ...headOf(init, lastVersion + 1, 'targetsMs'),
    targets: { ...before?.metadata.signed.targets },
  });
  if (target !== undefined) signed.addTarget(target);
  const text = signedText(signed, signersFor(init.keys, role));
  const document = readDocument('delegated', text, { name: app });
  if (init.mayBePartial !== true) checkDelegatedSignatures(current.targets, document);
  checkHandover(current.targets, document);
  return text;
}

function isDue(
  init: SigningInit & { readonly evenWhenFresh?: boolean },
  { signed }: SignedDocument<'targets' | 'delegated'>,
): boolean {
  const { targetsMs }: Expiry = { ...defaultExpiry, ...init.expiry };
  const leftMs = Date.parse(signed.expires) - init.now.getTime();
  return init.evenWhenFresh === true || leftMs < targetsMs / 3;
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

/** What nobody could read is not signed. */
function checkTerms({ rollout, needs }: Release): void {
  if (rollout !== undefined) {
    parsePlan(rollout);
    if (rollout.length > maxPlanCharacters) {
      throw new ConfigError(
        'CONFIG_INVALID',
        `the plan has ${rollout.length} characters; a release takes ${maxPlanCharacters}: nothing was signed`,
      );
    }
  }
  if (needs === undefined) return;
  const checked = releaseNeeds.safeParse(needs);
  if (checked.success) return;
  const why = checked.error.issues.map(({ message }) => message).join('; ');
  throw new ConfigError('CONFIG_INVALID', `what the image needs ${why}: nothing was signed`);
}
