import type { Key } from '@tufjs/models';
import { Delegations } from '@tufjs/models/dist/delegations.js';
import { DelegatedRole } from '@tufjs/models/dist/role.js';
import { ConfigError } from '../errors.ts';
import { parseChannelPath } from './channel-path.ts';
import { delegationOf, namedIn } from './delegations.ts';
import { topLevelNames, type Handover, type TargetEntry } from './metadata-schema.ts';
import type { MetadataSet, MetadataUpdate } from './metadata-set.ts';
import { channelsOf } from './release.ts';
import { knownFile, readBase, targetFilesOf, type Base, type SigningInit } from './signing-base.ts';
import { signTargets } from './sign-release.ts';

export type DelegationInit = SigningInit & {
  readonly current: MetadataSet | undefined;
  readonly app: string;
};

/**
 * Signs that from now on these keys release an app, and no others: its channels leave targets and are
 * handed over to a role of the app's name, for the path `APP/*`, terminating. What was released stays
 * released until the new keys release. An app that is delegated already gets other keys.
 * @throws ConfigError CONFIG_INVALID for an app or threshold that can't be, or a key that is not root's.
 * @throws RepositoryError when `current` is not signed by the keys of root
 */
export function delegateApp(
  init: DelegationInit & { readonly teamKeys: readonly Key[]; readonly threshold: number },
): MetadataUpdate {
  const { app, teamKeys, threshold } = init;
  checkApp(app);
  const ids = new Set(teamKeys.map(({ keyID }) => keyID));
  if (threshold < 1 || threshold > ids.size) {
    throw new ConfigError(
      'CONFIG_INVALID',
      `A threshold of ${threshold} can't be met by ${ids.size} different key(s): give as many keys, or a lower threshold`,
      { evidence: { expected: threshold, actual: ids.size } },
    );
  }
  const base = readBase(init, init.current);
  const { channels, delegations } = without(base, app);
  const role = new DelegatedRole({
    name: app,
    keyIDs: [...ids],
    threshold,
    terminating: true,
    paths: [`${app}/*`],
    unrecognizedFields: { handover: handoverOf(base, app, channels) as never },
  });
  return {
    targets: signTargets(init, base, {
      targets: targetsWithout(base, app),
      delegations: delegationsTo(
        { ...delegations.roles, [app]: role },
        { ...delegations.keys, ...Object.fromEntries(teamKeys.map((key) => [key.keyID, key])) },
      ),
    }),
  };
}

/**
 * Signs that an app is released by the targets key again, at what its keys have released last.
 * @throws ConfigError CONFIG_INVALID when it is not delegated, or a key is not root's.
 * @throws RepositoryError when `current` is not signed by the keys of root
 */
export function undelegateApp(init: DelegationInit): MetadataUpdate {
  const { app } = init;
  const base = readBase(init, init.current);
  if (base.current === undefined || delegationOf(base.current.targets, app) === undefined) {
    throw new ConfigError('CONFIG_INVALID', `${app} is not delegated, so nothing was signed`, {
      evidence: { app },
    });
  }
  const { channels, delegations } = without(base, app);
  const targets = { ...targetsWithout(base, app), ...targetFilesOf(app, channels) };
  const isLast = Object.keys(delegations.roles ?? {}).length === 0;
  return {
    targets: signTargets(init, base, { targets, delegations: isLast ? undefined : delegations }),
  };
}

function checkApp(app: string): void {
  parseChannelPath(`${app}/channel`);
  if (!topLevelNames.has(app)) return;
  throw new ConfigError(
    'CONFIG_INVALID',
    `${app} can't be delegated: it is the name of a top-level role of TUF. Give the app another name`,
    { evidence: { app } },
  );
}

/** What an app has released, and all delegations but its own. */
function without(
  base: Base,
  app: string,
): { channels: Record<string, TargetEntry>; delegations: Delegations } {
  const before = base.current?.targets.metadata.signed.delegations;
  const roles = Object.entries(before?.roles ?? {}).filter(([name]) => name !== app);
  if (base.current !== undefined) knownFile(base.current, app);
  return {
    channels: base.current === undefined ? {} : channelsOf(base.current, app),
    delegations: delegationsTo(Object.fromEntries(roles), { ...before?.keys }),
  };
}

function targetsWithout(base: Base, app: string) {
  const before = base.current?.targets.metadata.signed.targets ?? {};
  return Object.fromEntries(
    Object.entries(before).filter(([path]) => parseChannelPath(path).app !== app),
  );
}

function handoverOf(base: Base, app: string, channels: Handover['channels']): Handover {
  const named = base.current === undefined ? undefined : namedIn(base.current.snapshot, app);
  return { version: named?.version ?? 0, channels };
}

/** Delegations to these roles, with the keys that any of them names. */
function delegationsTo(
  roles: Record<string, DelegatedRole>,
  keys: Readonly<Record<string, Key>>,
): Delegations {
  const named = new Set(Object.values(roles).flatMap(({ keyIDs }) => keyIDs));
  const kept = Object.entries(keys).filter(([id]) => named.has(id));
  return new Delegations({ keys: Object.fromEntries(kept), roles });
}
