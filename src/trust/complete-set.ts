import { hash } from 'node:crypto';
import { MetaFile, Snapshot, Timestamp } from '@tufjs/models';
import { delegatedFileName, delegatedFiles, type DelegationChain } from './delegations.ts';
import { readSet, verifyUpdate, type MetadataSet, type MetadataUpdate } from './metadata-set.ts';
import { missing } from './role-checks.ts';
import { readTrustedRoot } from './root-chain.ts';
import { readDocument, type SignedDocument } from './signed-document.ts';
import { signedText } from './signed-text.ts';
import { headOf, maySign, nextVersion, topLevelRole, type SigningInit } from './signing-base.ts';
import { signersFor } from './signing-key.ts';

/**
 * Signs snapshot and timestamp over what is new and what stays, so that it is one set. These two keys
 * say which files go together and that nothing newer is held back; they can't name an image. The
 * result has passed `verifyUpdate`.
 * @param init `apps`: those whose delegated files are in `current`; all, if it is not given.
 * @throws ConfigError CONFIG_INVALID when none of the keys may sign one of the two.
 * @throws RepositoryError when the result would be refused, also because what is new is not signed as
 * root, or targets, asks for.
 */
export function completeSet(
  init: SigningInit & {
    readonly current: MetadataSet | undefined;
    readonly update: MetadataUpdate;
    readonly apps?: readonly string[] | undefined;
  },
): MetadataSet {
  const { update } = init;
  const root = readTrustedRoot(init.root);
  const current = init.current === undefined ? undefined : readSet(init.current);
  const targetsText = update.targets ?? init.current?.targets;
  if (targetsText === undefined) throw missing('targets', 'snapshot', 'one to begin with');
  const targets = readDocument('targets', targetsText);
  const meta = { ...current?.snapshot.metadata.signed.meta };
  if (targetsText !== current?.targets.text) meta['targets.json'] = metaFile(targets);
  for (const [app, text] of Object.entries(update.delegated ?? {})) {
    if (text === current?.delegated.get(app)?.text) continue;
    meta[delegatedFileName(app)] = metaFile(readDocument('delegated', text, { name: app }));
  }
  const snapshotText = signedText(
    new Snapshot({ ...headOf(init, nextVersion(current?.snapshot), 'snapshotMs'), meta }),
    signersFor(init.keys, topLevelRole(root, 'snapshot')),
  );
  const snapshot = readDocument('snapshot', snapshotText);
  const timestamp = signedText(
    new Timestamp({
      ...headOf(init, nextVersion(current?.timestamp), 'timestampMs'),
      snapshotMeta: metaFile(snapshot),
    }),
    signersFor(init.keys, topLevelRole(root, 'timestamp')),
  );
  const delegated = delegatedTexts(
    { targets, snapshot },
    init.current?.delegated ?? {},
    update.delegated,
  );
  const set = { targets: targetsText, snapshot: snapshotText, timestamp };
  const next = delegated === undefined ? set : { ...set, delegated };
  verifyUpdate({ ...init, next });
  return next;
}

/** Whether there are keys that may sign snapshot and timestamp; else it is for the tracker's own. */
export function canComplete({ root, keys }: Pick<SigningInit, 'root' | 'keys'>): boolean {
  const trusted = readTrustedRoot(root);
  return (['snapshot', 'timestamp'] as const).every((role) =>
    maySign(keys, topLevelRole(trusted, role)),
  );
}

/**
 * Puts what is new over what is there. Of the delegated files those are kept that still count.
 * @throws RepositoryError REPOSITORY_MALFORMED, or REPOSITORY_MIX_AND_MATCH when a file is in neither.
 */
export function mergeUpdate(current: MetadataSet | undefined, update: MetadataUpdate): MetadataSet {
  const targets = update.targets ?? current?.targets;
  const snapshot = update.snapshot ?? current?.snapshot;
  const timestamp = update.timestamp ?? current?.timestamp;
  if (timestamp === undefined) throw missing('timestamp', 'root', 'one');
  if (snapshot === undefined) throw missing('snapshot', 'timestamp', 'one');
  if (targets === undefined) throw missing('targets', 'snapshot', 'one');
  const kept = current?.delegated ?? {};
  const set = { targets, snapshot, timestamp };
  if (Object.keys(kept).length === 0) return { ...set, delegated: update.delegated };
  const chain = {
    targets: readDocument('targets', targets),
    snapshot: readDocument('snapshot', snapshot),
  };
  return { ...set, delegated: delegatedTexts(chain, kept, update.delegated) };
}

/** What is given, and of what was there what still counts. */
function delegatedTexts(
  chain: DelegationChain,
  kept: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  const apps = new Set(delegatedFiles(chain, Object.keys(kept)));
  const texts = Object.entries(kept).filter(([app]) => apps.has(app));
  const all = { ...Object.fromEntries(texts), ...given };
  return Object.keys(all).length === 0 ? undefined : all;
}

function metaFile({
  signed,
  text,
}: SignedDocument<'targets' | 'snapshot' | 'delegated'>): MetaFile {
  const hashes = { sha256: hash('sha256', text) };
  return new MetaFile({ version: signed.version, length: Buffer.byteLength(text), hashes });
}
