import { hash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalize } from '@tufjs/canonical-json';
import { Root } from '@tufjs/models';
import { onTestFinished } from 'vitest';
import { imageIdOf } from '../../../src/image/index.ts';
import { createKeys, loadKeys } from '../../../src/trust/key-files.ts';
import type { MetadataSet } from '../../../src/trust/metadata-set.ts';
import { ReleaseClient } from '../../../src/trust/release-client.ts';
import type { Release } from '../../../src/trust/release.ts';
import { signRelease, type SigningInit } from '../../../src/trust/sign-release.ts';
import { specVersion } from '../../../src/trust/signed-text.ts';
import { parseKey, type SigningKey, type SigningKeys } from '../../../src/trust/signing-key.ts';

/** A folder that is gone when the test is over. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'starling-trust-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** The owner of a repository: real keys in real files, and signatures on anything it is told to. */
export interface Publisher {
  readonly directory: string;
  readonly root: string;
  readonly rootKey: SigningKey;
  readonly keys: SigningKeys;
}

export async function createPublisher(now = new Date()): Promise<Publisher> {
  const directory = join(await temporaryDirectory(), 'keys');
  const { rootPath } = await createKeys(directory, { now });
  const rootKeyPath = join(directory, 'root.key');
  return {
    directory,
    root: await readFile(rootPath, 'utf8'),
    rootKey: parseKey(rootKeyPath, await readFile(rootKeyPath, 'utf8')),
    keys: await loadKeys(directory),
  };
}

/** What a release says of the image with this number. */
export function imageNumber(number: number, path = 'hello/stable'): Omit<Release, 'release'> {
  const [app = '', channel = ''] = path.split('/');
  const infoHash = hash('sha256', `image ${number}`);
  const imageId = imageIdOf(Buffer.from(infoHash, 'hex'));
  return { app, channel, imageId, infoHash, infoBytes: 1_000 + number, version: `${number}.0.0` };
}

/** Publishes image after image in one channel: the set of each release. */
export function releases(
  publisher: Publisher,
  count: number,
  init: Partial<SigningInit> = {},
): [MetadataSet, ...MetadataSet[]] {
  const sets: MetadataSet[] = [];
  for (let number = 1; number <= count; number++) {
    const { root, keys } = publisher;
    const signing = { root, keys, now: new Date(), ...init };
    const release = imageNumber(number);
    sets.push(signRelease({ ...signing, current: sets.at(-1), release }).set);
  }
  return sets as [MetadataSet, ...MetadataSet[]];
}

export interface Signed {
  version: number;
  expires: string;
  meta: Record<string, { version: number; length?: number; hashes?: Record<string, string> }>;
  targets: Record<string, Record<string, unknown>>;
  [key: string]: unknown;
}

type Edit = (signed: Signed) => void;

/** Signs a set again after it was edited: what the holder of the keys could do. */
export function forge(
  publisher: Pick<Publisher, 'keys'>,
  set: MetadataSet,
  edits: { targets?: Edit; snapshot?: Edit; timestamp?: Edit },
): MetadataSet {
  const { keys } = publisher;
  const targets = edits.targets ? edited(set.targets, keys.targets, edits.targets) : set.targets;
  const snapshot = edited(set.snapshot, keys.snapshot, (signed) => {
    if (edits.targets) signed.meta['targets.json'] = describe(targets);
    edits.snapshot?.(signed);
  });
  const timestamp = edited(set.timestamp, keys.timestamp, (signed) => {
    signed.meta['snapshot.json'] = describe(snapshot);
    edits.timestamp?.(signed);
  });
  return { targets, snapshot, timestamp };
}

/** Signs one file again after it was edited. */
export function edited(text: string, key: SigningKey, edit: Edit): string {
  const { signed } = JSON.parse(text) as { signed: Signed };
  edit(signed);
  return signAny(signed, [key]);
}

export function signAny(signed: object, keys: readonly SigningKey[]): string {
  const bytes = Buffer.from(canonicalize(signed));
  return JSON.stringify({ signatures: keys.map(({ signer }) => signer(bytes).toJSON()), signed });
}

function describe(text: string): Signed['meta'][string] {
  const { signed } = JSON.parse(text) as { signed: Signed };
  const hashes = { sha256: hash('sha256', text) };
  return { version: signed.version, length: Buffer.byteLength(text), hashes };
}

/** A root of any version, with any keys. */
export function makeRoot(init: {
  version: number;
  keys: Record<'root' | 'targets' | 'snapshot' | 'timestamp', SigningKey[]>;
  signers: SigningKey[];
  threshold?: Record<string, number>;
  expires?: string;
}): string {
  const { version, expires = '2999-01-01T00:00:00Z' } = init;
  const root = new Root({ version, specVersion, expires, consistentSnapshot: true });
  for (const [role, keys] of Object.entries(init.keys)) {
    for (const { key } of keys) root.addKey(key, role);
  }
  const signed = root.toJSON() as { roles: Record<string, { threshold: number }> };
  for (const [role, threshold] of Object.entries(init.threshold ?? {})) {
    Object.assign(signed.roles[role] ?? {}, { threshold });
  }
  return signAny(signed, init.signers);
}

/** A server of metadata that serves whatever it is given. */
export class Repository {
  readonly files = new Map<string, string | Uint8Array>();
  readonly requests: { name: string; maxBytes: number }[] = [];
  /** Called before each answer; what it throws is the network's failure. */
  onRequest: (name: string) => void = () => undefined;

  publish(set: MetadataSet): void {
    this.files.set('timestamp.json', set.timestamp);
    this.files.set(`${versionOf(set.snapshot)}.snapshot.json`, set.snapshot);
    this.files.set(`${versionOf(set.targets)}.targets.json`, set.targets);
    for (const [app, text] of Object.entries(set.delegated ?? {})) {
      this.files.set(`${versionOf(text)}.${app}.json`, text);
    }
  }

  readonly fetchMetadata = (
    name: string,
    maxBytes: number,
    options: { signal?: AbortSignal | undefined },
  ): Promise<Uint8Array | undefined> => {
    options.signal?.throwIfAborted();
    this.requests.push({ name, maxBytes });
    this.onRequest(name);
    const file = this.files.get(name);
    return Promise.resolve(typeof file === 'string' ? Buffer.from(file) : file);
  };

  /** A host that follows this repository; on the same directory it is the same host, restarted. */
  client(
    init: { directory: string; root: string; apps?: readonly string[] },
    onCacheDropped?: (why: string) => void,
  ) {
    return new ReleaseClient({ fetchMetadata: this.fetchMetadata, onCacheDropped }, init);
  }
}

export const versionOf = (text: string): number =>
  (JSON.parse(text) as { signed: Signed }).signed.version;

/** The code of what a call throws, or 'returned'. */
export async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'returned';
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
}
