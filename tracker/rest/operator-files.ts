import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { durable } from '../../src/image/index.ts';
import { ConfigError, StorageError } from '../../src/errors.ts';
import { digestOf, makeToken } from '../access-token.ts';
import { createPrivateFile, storageError, systemCode } from '../durable-file.ts';

/** The operator whose token is the one that the tracker makes at its first start. */
export const adminName = 'admin';

/** An operator, without its token: of that only the digest is kept. */
export interface Operator {
  readonly name: string;
  /** SHA-256 of its token. */
  readonly digest: Buffer;
  readonly createdAt: Date;
  /** Undefined where it does not end. */
  readonly expiresAt: Date | undefined;
}

/** So many operators there are, beside admin. */
export const maxOperators = 1_000;
const maxFileBytes = 4_096;
const nameShape = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const fileShape = /^(.+)\.json$/;

const fileSchema = z.strictObject({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().optional(),
});

/** Where the operators of a tracker's directory lie: a file for each, so that no two changes meet. */
export const operatorsPath = (directory: string): string => join(directory, 'operators');

const filePath = (directory: string, name: string): string =>
  join(operatorsPath(directory), `${name}.json`);

/**
 * Makes an operator. Its token is told this once.
 * @throws ConfigError for a name that can't be used, CONFIG_IN_USE for one that is there already
 * @throws StorageError when it can't be written
 */
export async function createOperator(
  directory: string,
  name: string,
  init: { readonly now: Date; readonly ttlMs?: number | undefined },
): Promise<{ readonly operator: Operator; readonly token: string }> {
  assertOperatorName(name);
  const token = makeToken();
  const { now: createdAt, ttlMs } = init;
  const expiresAt = ttlMs === undefined ? undefined : new Date(createdAt.getTime() + ttlMs);
  const digest = digestOf(token);
  const file = { sha256: digest.toString('hex'), createdAt, expiresAt };
  try {
    await makeDirectory(directory);
    const { operators, faults } = await readOperators(directory);
    if (operators.length + faults.length >= maxOperators) throw tooMany(directory);
    await createPrivateFile(filePath(directory, name), `${JSON.stringify(file)}\n`);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw inUse(name);
    if (error instanceof ConfigError) throw error;
    throw storageError(error, `the operator ${name} can't be kept in ${directory}`);
  }
  return { operator: { name, digest, createdAt, expiresAt }, token };
}

/**
 * Removes an operator; a running tracker refuses its token from then on.
 * @throws ConfigError CONFIG_MISSING when there is none of that name
 * @throws StorageError when it can't be removed
 */
export async function revokeOperator(directory: string, name: string): Promise<void> {
  assertOperatorName(name);
  try {
    await rm(filePath(directory, name));
    await durable.syncDirectory(operatorsPath(directory));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') {
      throw storageError(error, `the operator ${name} can't be removed from ${directory}`);
    }
    throw new ConfigError(
      'CONFIG_MISSING',
      `${directory} has no operator ${name}: "tracker operator list" tells whom it has`,
      { cause: error, evidence: { directory, name } },
    );
  }
}

export interface OperatorsRead {
  /** By name. */
  readonly operators: readonly Operator[];
  /** What is wrong with those files that can't be used. */
  readonly faults: readonly StorageError[];
}

/** Reads all operators of a tracker's directory. @throws StorageError when they can't be listed */
export async function readOperators(directory: string): Promise<OperatorsRead> {
  const operators: Operator[] = [];
  const faults: StorageError[] = [];
  for (const file of await listFiles(directory)) {
    const name = fileShape.exec(file)?.[1];
    if (name === undefined || !nameShape.test(name) || name === adminName) continue;
    if (operators.length + faults.length === maxOperators) {
      faults.push(new StorageError('STORAGE_CORRUPT', tooMany(directory).message));
      break;
    }
    const read = await readOperator(directory, name);
    if (read instanceof StorageError) faults.push(read);
    else if (read !== undefined) operators.push(read);
  }
  return { operators, faults };
}

async function listFiles(directory: string): Promise<string[]> {
  try {
    return (await readdir(operatorsPath(directory))).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw storageError(error, `the operators of ${directory} can't be listed`);
  }
}

/** Reasons for which a file can't be read until somebody changes it. */
const lasting: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EISDIR', 'ELOOP']);

/** Undefined for one that is gone by now. @throws StorageError when it can't be read just now */
async function readOperator(
  directory: string,
  name: string,
): Promise<Operator | StorageError | undefined> {
  const path = filePath(directory, name);
  try {
    await using handle = await open(path, 'r');
    const { size } = await handle.stat();
    if (size > maxFileBytes) throw new RangeError(`it has ${size} bytes`);
    const file = fileSchema.parse(JSON.parse(await handle.readFile('utf8')));
    const expiresAt = file.expiresAt === undefined ? undefined : new Date(file.expiresAt);
    const digest = Buffer.from(file.sha256, 'hex');
    return { name, digest, createdAt: new Date(file.createdAt), expiresAt };
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'ENOENT') return undefined;
    // That it can't be read just now says nothing of the operator.
    if (code !== undefined && !lasting.has(code)) {
      throw storageError(cause, `the operator ${name} can't be read from ${path}`);
    }
    const why = code ?? 'it is malformed';
    const what = `the operator ${name} can't be read from ${path} (${why}): see to it that the tracker's user can read it, or revoke it and create it anew`;
    return new StorageError('STORAGE_CORRUPT', what, { cause, evidence: { path, code } });
  }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(operatorsPath(directory), { mode: 0o700 });
    await durable.syncDirectory(directory);
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT') throw cause;
    throw new ConfigError(
      'CONFIG_MISSING',
      `there is no directory ${directory}: give that of the tracker (--dir), which it makes at its first start`,
      { cause, evidence: { directory } },
    );
  }
}

/** @throws ConfigError CONFIG_INVALID */
export function assertOperatorName(name: string): void {
  if (nameShape.test(name) && name !== adminName) return;
  const why =
    name === adminName
      ? `${adminName} is the operator whose token the tracker made, in the file token of its directory: to change that, delete the file and start the tracker again`
      : `"${name.slice(0, 100)}" can't be the name of an operator: up to 64 of a-z, 0-9, ".", "_" and "-", letters or digits at both ends`;
  throw new ConfigError('CONFIG_INVALID', why, { evidence: { name: name.slice(0, 100) } });
}

const inUse = (name: string): ConfigError =>
  new ConfigError(
    'CONFIG_IN_USE',
    `there is an operator ${name} already: take another name, or revoke that one first`,
    { evidence: { name } },
  );

const tooMany = (directory: string): ConfigError =>
  new ConfigError(
    'CONFIG_INVALID',
    `${directory} has more than ${maxOperators} operators: revoke those that are not needed`,
    { evidence: { directory, maxOperators } },
  );
