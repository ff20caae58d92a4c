import { generateKeyPairSync, hash, sign, constants, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { canonicalize } from '@tufjs/canonical-json';
import { onTestFinished } from 'vitest';

export type KeyKind = 'ed25519' | 'ecdsa' | 'rsa';

export interface RepositoryKey {
  id: string;
  readonly json: { keytype: string; scheme: string; keyval: { public: string } };
  readonly sign: (bytes: Buffer) => string;
}

interface RoleJson {
  keyids: string[];
  threshold: number;
}

export interface DelegationJson extends RoleJson {
  name: string;
  terminating: boolean;
  paths: string[];
}

interface MetaJson {
  version: number;
  length?: number;
  hashes?: Record<string, string>;
}

/** What a role signs; a test may change all of it. */
export interface SignedJson {
  _type: string;
  spec_version: string;
  version: number;
  expires: string;
  keys: Record<string, RepositoryKey['json'] & Record<string, unknown>>;
  roles: Record<string, RoleJson>;
  consistent_snapshot: boolean;
  meta: Record<string, MetaJson>;
  targets: Record<string, { length: number; hashes: Record<string, string> }>;
  delegations?: { keys: SignedJson['keys']; roles: DelegationJson[] };
  [more: string]: unknown;
}

const topLevel = ['root', 'timestamp', 'snapshot', 'targets'];
const inAMonth = () => `${new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 19)}Z`;

/**
 * The owner of a TUF repository of any kind, and its server: signs whatever it is told to, also what
 * no good owner would. It knows nothing of src/trust.
 */
export class TufRepository {
  readonly signed = new Map<string, SignedJson>();
  readonly keys = new Map<string, RepositoryKey[]>();
  /** What is served, by name. */
  readonly files = new Map<string, string | Buffer>();
  readonly artifacts = new Map<string, Buffer>();
  /** What was asked for. */
  readonly requests: string[] = [];
  /** Whether files are named with their length and hash. */
  withHashes = false;
  url = '';
  /** The root that a client begins with. */
  readonly firstRoot: string;

  constructor(kind: KeyKind = 'ed25519') {
    const empty = { spec_version: '1.0.31', version: 1, expires: inAMonth() };
    for (const role of topLevel) {
      const json = { _type: role, ...empty, ...(role === 'targets' ? { targets: {} } : {}) };
      this.signed.set(role, json as SignedJson);
    }
    Object.assign(this.root, { keys: {}, roles: {}, consistent_snapshot: true });
    this.snapshot.meta = {};
    for (const role of topLevel) {
      this.root.roles[role] = { keyids: [], threshold: 1 };
      this.addKey(role, newKey(kind));
    }
    this.publish('targets', 'snapshot', 'timestamp', 'root');
    this.firstRoot = String(this.files.get('1.root.json'));
  }

  get root(): SignedJson {
    return this.role('root');
  }
  get timestamp(): SignedJson {
    return this.role('timestamp');
  }
  get snapshot(): SignedJson {
    return this.role('snapshot');
  }
  get targets(): SignedJson {
    return this.role('targets');
  }

  role(name: string): SignedJson {
    const signed = this.signed.get(name);
    if (signed === undefined) throw new Error(`there is no role ${name}`);
    return signed;
  }

  /** Root names one more key for a top-level role, which signs from now on. */
  addKey(role: string, key: RepositoryKey): void {
    this.root.keys[key.id] = key.json;
    this.root.roles[role]?.keyids.push(key.id);
    this.keys.set(role, [...(this.keys.get(role) ?? []), key]);
  }

  /** Root names one other key for a top-level role. */
  rotate(role: string): void {
    this.root.roles[role] = { keyids: [], threshold: 1 };
    this.keys.set(role, []);
    this.addKey(role, newKey('ed25519'));
  }

  /** A role delegates to another one, which has nothing to say yet. */
  delegate(from: string, name: string, more: Partial<DelegationJson> = {}): void {
    const key = this.keys.get(name)?.[0] ?? newKey('ed25519');
    const delegator = this.role(from);
    delegator.delegations ??= { keys: {}, roles: [] };
    delegator.delegations.keys[key.id] = key.json;
    const terms = { keyids: [key.id], threshold: 1, terminating: false, paths: ['*'] };
    delegator.delegations.roles.push({ name, ...terms, ...more });
    this.keys.set(name, [key]);
    if (this.signed.has(name)) return;
    const json = { _type: 'targets', spec_version: '1.0.31', version: 0, targets: {} };
    this.signed.set(name, { ...json, expires: inAMonth() } as unknown as SignedJson);
  }

  addArtifact(role: string, path: string, content: string): void {
    const bytes = Buffer.from(content);
    this.artifacts.set(path, bytes);
    this.role(role).targets[path] = {
      length: bytes.length,
      hashes: { sha256: hash('sha256', bytes) },
    };
  }

  /** Signs roles as they are, and names them in the file above; `next` raises versions before. */
  publish(...roles: string[]): void {
    for (const role of roles) {
      const signed = this.role(role);
      const text = this.sign(role);
      const name =
        role === 'timestamp' || !this.root.consistent_snapshot ? '' : `${signed.version}.`;
      const file = role === 'root' ? `${signed.version}.root.json` : `${name}${role}.json`;
      this.files.set(file, text);
      const meta: MetaJson = { version: signed.version };
      if (this.withHashes) {
        Object.assign(meta, { length: text.length, hashes: { sha256: hash('sha256', text) } });
      }
      if (role === 'snapshot') this.timestamp.meta = { 'snapshot.json': meta };
      else if (role !== 'root' && role !== 'timestamp') this.snapshot.meta[`${role}.json`] = meta;
    }
  }

  next(...roles: string[]): void {
    for (const role of roles) {
      this.role(role).version += 1;
      this.publish(role);
    }
  }

  /** All that leads to images, with new versions. */
  nextAll(...delegated: string[]): void {
    this.next(...delegated, 'targets', 'snapshot', 'timestamp');
  }

  sign(role: string, keys = this.keys.get(role) ?? []): string {
    const signed = this.role(role);
    const bytes = Buffer.from(canonicalize(signed));
    const signatures = keys.map((key) => ({ keyid: key.id, sig: key.sign(bytes) }));
    return JSON.stringify({ signatures, signed });
  }

  /** Serves on the loopback address until the test is over. */
  async serve(): Promise<void> {
    const server = createServer((request, response) => {
      const [, folder = '', ...rest] = (request.url ?? '').split('/');
      const name = rest.map(decodeURIComponent).join('/');
      this.requests.push(`${folder}/${name}`);
      const content = folder === 'metadata' ? this.files.get(name) : this.#artifact(name);
      response.writeHead(content === undefined ? 404 : 200).end(content);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    const address = server.address();
    this.url = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`;
  }

  #artifact(name: string): Buffer | undefined {
    if (!this.root.consistent_snapshot) return this.artifacts.get(name);
    const parts = name.split('/');
    const file = parts.pop() ?? '';
    return this.artifacts.get([...parts, file.slice(file.indexOf('.') + 1)].join('/'));
  }
}

export function newKey(kind: KeyKind): RepositoryKey {
  switch (kind) {
    case 'ed25519': {
      const { privateKey } = generateKeyPairSync('ed25519');
      const { x = '' } = privateKey.export({ format: 'jwk' });
      const hex = Buffer.from(x, 'base64url').toString('hex');
      return keyOf('ed25519', 'ed25519', hex, (bytes) => sign(null, bytes, privateKey));
    }
    case 'ecdsa': {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return keyOf('ecdsa', 'ecdsa-sha2-nistp256', pemOf(pair.publicKey), (bytes) =>
        sign('sha256', bytes, pair.privateKey),
      );
    }
    case 'rsa': {
      const pair = generateKeyPairSync('rsa', { modulusLength: 2_048 });
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      return keyOf('rsa', 'rsassa-pss-sha256', pemOf(pair.publicKey), (bytes) =>
        sign('sha256', bytes, { key: pair.privateKey, padding, saltLength: 32 }),
      );
    }
  }
}

const pemOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();

function keyOf(
  keytype: string,
  scheme: string,
  publicText: string,
  signer: (bytes: Buffer) => Buffer,
): RepositoryKey {
  const json = { keytype, scheme, keyval: { public: publicText } };
  const id = hash('sha256', canonicalize(json));
  return { id, json, sign: (bytes) => signer(bytes).toString('hex') };
}
