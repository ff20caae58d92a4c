import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePair } from '../../src/cli/index.ts';
import { ConfigError, PeerError } from '../../src/errors.ts';
import {
  Identity,
  issueCredential,
  readRevocations,
  signRevocations,
  type RevocationList,
} from '../../src/trust/sealed.ts';
import { durableFiles, storageError, systemCode } from '../durable-file.ts';
import { roleOf } from './grant-options.ts';

/** What a credential is to say, as it was typed. */
export interface CredentialOrder {
  readonly peerId: string;
  readonly roles: readonly string[];
  /** Patterns of apps. */
  readonly apps: readonly string[];
  /** NAME=VALUE. */
  readonly labels: readonly string[];
  readonly ttlMs: number;
  readonly now: Date;
}

const keyPathIn = (directory: string): string => join(directory, 'fleet.key');
const revocationsPathIn = (directory: string): string => join(directory, 'revocations');

/**
 * Makes the key of a fleet; one that is there stays.
 * @throws ConfigError, StorageError as `Identity.open`
 */
export async function createFleet(
  directory: string,
): Promise<{ fleetId: string; keyPath: string }> {
  const keyPath = keyPathIn(directory);
  const { peerId } = await Identity.open(keyPath);
  return { fleetId: peerId, keyPath };
}

/** @throws ConfigError CONFIG_MISSING when there is no fleet, CONFIG_INVALID for what can't be said */
export async function makeCredential(
  directory: string,
  order: CredentialOrder,
): Promise<{ fleetId: string; peerId: string; expiresAt: string; credential: string }> {
  const key = await openFleetKey(directory);
  const { peerId, apps, now, ttlMs } = order;
  const expiresAt = new Date(now.getTime() + ttlMs).toISOString();
  const credential = issueCredential(key, {
    peerId,
    roles: order.roles.map(roleOf),
    apps,
    labels: Object.fromEntries(order.labels.map((text) => parsePair(text))),
    issuedAt: now.toISOString(),
    expiresAt,
  });
  return { fleetId: key.peerId, peerId, expiresAt, credential };
}

/**
 * Revokes peers, beside those that are revoked already.
 * @throws ConfigError CONFIG_MISSING when there is no fleet, CONFIG_INVALID for what is no peer id;
 *   or a list that is there and not of this fleet; StorageError when it can't be read or written
 */
export async function revoke(
  directory: string,
  more: readonly string[],
  now: Date,
): Promise<{ number: number; peerIds: string[]; path: string }> {
  const key = await openFleetKey(directory);
  const path = revocationsPathIn(directory);
  const before = await readListIfThere(path, key.peerId);
  const peerIds = [...new Set([...(before?.peerIds ?? []), ...more])].sort();
  const number = (before?.number ?? 0) + 1;
  const list = signRevocations(key, { number, peerIds, issuedAt: now.toISOString() });
  try {
    await durableFiles.replace(path, `${list}\n`);
    await durableFiles.syncDirectory(directory);
  } catch (error) {
    throw storageError(error, `${path} could not be written: nobody was revoked`);
  }
  return { number, peerIds, path };
}

/** Makes none: a key that is not where it was expected is a mistake. */
async function openFleetKey(directory: string): Promise<Identity> {
  const path = keyPathIn(directory);
  try {
    await access(path);
  } catch (cause) {
    throw new ConfigError(
      'CONFIG_MISSING',
      `there is no fleet in ${directory}: make one with \`tracker fleet init\``,
      { cause, evidence: { path } },
    );
  }
  return await Identity.open(path);
}

/** One that can't be used is not replaced: whom it names would be let in again. */
async function readListIfThere(path: string, fleetId: string): Promise<RevocationList | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    return readRevocations(text.trim(), { fleetId });
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return undefined;
    if (!(cause instanceof PeerError)) throw storageError(cause, `${path} could not be read`);
    const remedy = 'restore it from a host that has it';
    throw new ConfigError('CONFIG_INVALID', `${path}: ${cause.message}; ${remedy}`, {
      cause,
      evidence: { path },
    });
  }
}
