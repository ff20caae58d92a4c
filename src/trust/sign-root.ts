import { Root, type Key } from '@tufjs/models';
import { ConfigError } from '../errors.ts';
import { defaultExpiry } from './expiry.ts';
import type { RoleName } from './refusals.ts';
import { readTrustedRoot, type RootDocument } from './root-chain.ts';
import { isSigned } from './signature-check.ts';
import { readDocument } from './signed-document.ts';
import { expiryText, signedText, specVersion } from './signed-text.ts';
import type { Keyring } from './signing-key.ts';

/** The keys of a role, and how many of them must sign. */
export interface RoleKeys {
  readonly keys: readonly Key[];
  readonly threshold: number;
}

/** What the next root says otherwise than the one before. */
export type RootChange = Readonly<Partial<Record<RoleName, RoleKeys>>>;

/**
 * Writes the root that follows another, with other keys for some roles, and signs it with those of
 * the given keys that the old or the new one names (TUF 1.0, "6.1. Key management and migration").
 * @returns its text, and whether that is enough: both the old and the new threshold are met
 * @throws ConfigError CONFIG_INVALID for a threshold that can't be met, or a key that may name images
 * and is also one of snapshot or timestamp: that would be online
 */
export function signNextRoot(init: {
  readonly root: string;
  readonly change: RootChange;
  readonly keys: Keyring;
  readonly now: Date;
  readonly expiresAfterMs?: number | undefined;
}): { root: string; isComplete: boolean } {
  const before = readTrustedRoot(init.root);
  const next = new Root({
    version: before.signed.version + 1,
    specVersion,
    expires: expiryText(init.now, init.expiresAfterMs ?? defaultExpiry.rootMs),
    consistentSnapshot: true,
  });
  const { keys, roles } = before.metadata.signed;
  for (const name of ['root', 'targets', 'snapshot', 'timestamp'] as const) {
    const old = roles[name];
    const kept = (old?.keyIDs ?? []).map((id) => keys[id]).filter((key) => key !== undefined);
    const { keys: chosen, threshold } = init.change[name] ?? {
      keys: kept,
      threshold: old?.threshold ?? 1,
    };
    checkThreshold(name, chosen, threshold);
    for (const key of chosen) next.addKey(key, name);
    Object.assign(next.roles[name] ?? {}, { threshold });
  }
  checkApart(next);
  const named = new Set([before.metadata.signed, next].flatMap(({ roles }) => rootKeyIds(roles)));
  const signers = Object.values(init.keys).filter(({ key }) => named.has(key.keyID));
  const text = signedText(next, signers);
  return { root: text, isComplete: isSignedByBoth(before, readDocument('root', text)) };
}

const isSignedByBoth = (before: RootDocument, next: RootDocument): boolean =>
  isSigned(before, next) && isSigned(next, next);

const rootKeyIds = (roles: Root['roles']): string[] => roles.root?.keyIDs ?? [];

function checkThreshold(name: RoleName, keys: readonly Key[], threshold: number): void {
  const count = new Set(keys.map(({ keyID }) => keyID)).size;
  if (threshold >= 1 && threshold <= count) return;
  throw new ConfigError(
    'CONFIG_INVALID',
    `${name} can't ask for the signatures of ${threshold} of ${count} key(s): give as many keys, or a lower threshold`,
    { evidence: { role: name, expected: threshold, actual: count } },
  );
}

/** A key that lies on an online machine must not be able to name an image. */
function checkApart({ roles }: Root): void {
  const online = new Set(['snapshot', 'timestamp'].flatMap((name) => roles[name]?.keyIDs ?? []));
  for (const name of ['root', 'targets']) {
    const shared = roles[name]?.keyIDs.find((id) => online.has(id));
    if (shared === undefined) continue;
    throw new ConfigError(
      'CONFIG_INVALID',
      `One key can't be that of ${name} and of snapshot or timestamp: the latter may lie at a tracker, which must not be able to name an image. Give another key`,
      { evidence: { role: name, keyId: shared } },
    );
  }
}
