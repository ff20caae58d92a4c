import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../src/errors.ts';
import type { EtcdCredentials } from './etcd-hosts.ts';
import type { ReadStore, Store } from './store.ts';

const defaultEtcdPort = 2_379;
const defaultEtcdPrefix = '/starling';
const hostPattern = /^(\[[0-9a-fA-F:.]+\]|[0-9a-zA-Z._-]+)(?::(\d{1,5}))?$/;
const etcdPattern = /^etcd(s?):\/\/([^/?#]+)(\/[^?#]*)?(?:\?([^#]*))?$/;

/** Where a store is, as its URL says. */
export type StorePlace =
  | { readonly kind: 'sqlite'; readonly path: string }
  | {
      readonly kind: 'etcd';
      readonly hosts: readonly string[];
      readonly prefix: string;
      /** Paths of files in PEM; undefined: plain. */
      readonly tls:
        { readonly ca: string; readonly cert?: string; readonly key?: string } | undefined;
    };

/** The URL of the store that a tracker keeps in its own directory. */
export const storeUrlIn = (directory: string): string => `sqlite:${join(directory, 'store.db')}`;

/**
 * Reads `sqlite:PATH`, `etcd://HOST:PORT,HOST:PORT/PREFIX` or
 * `etcds://HOST:PORT,…/PREFIX?ca=FILE&cert=FILE&key=FILE`. Port and prefix may be left out.
 * @throws ConfigError CONFIG_INVALID
 */
export function parseStoreUrl(url: string): StorePlace {
  if (url.startsWith('sqlite:')) {
    const path = url.slice('sqlite:'.length);
    if (path === '' || path.includes('\0')) throw unusable(url, 'a path follows sqlite:');
    return { kind: 'sqlite', path };
  }
  const match = etcdPattern.exec(url);
  if (match === null) {
    throw unusable(url, 'it is sqlite:PATH or etcd://HOST:PORT,HOST:PORT/PREFIX');
  }
  const [, secure, hosts = '', prefix = '', query = ''] = match;
  return {
    kind: 'etcd',
    hosts: hosts.split(',').map((host) => parseHost(url, host)),
    prefix: parsePrefix(url, prefix),
    tls: parseTls(url, secure === 's', query),
  };
}

/**
 * Opens the store that a URL names.
 * @throws ConfigError; StorageError and StoreError where a file can't be used. An etcd that does not answer
 *   is no error: the store takes no changes until it does.
 */
export async function openStore(url: string): Promise<Store> {
  const place = parseStoreUrl(url);
  if (place.kind === 'sqlite') {
    const { SqliteStore } = await import('./sqlite-store.ts');
    return await SqliteStore.open({ path: place.path });
  }
  return await openEtcd(place);
}

/**
 * Opens a store to read in it, also while a tracker has it.
 * @throws as `openStore`, and ConfigError CONFIG_MISSING where there is none
 */
export async function openStoreForReading(url: string): Promise<ReadStore> {
  const place = parseStoreUrl(url);
  if (place.kind === 'etcd') return await openEtcd(place);
  const { SqliteStore } = await import('./sqlite-store.ts');
  return await SqliteStore.open({ path: place.path, forReading: true });
}

async function openEtcd({ hosts, prefix, tls }: StorePlace & { kind: 'etcd' }): Promise<Store> {
  const credentials = tls === undefined ? undefined : await readCredentials(tls);
  const { EtcdStore } = await import('./etcd-store.ts');
  return await EtcdStore.open({ hosts, prefix, credentials });
}

function parseHost(url: string, text: string): string {
  const [, host, port] = hostPattern.exec(text) ?? [];
  const number = Number(port ?? defaultEtcdPort);
  if (host === undefined || number < 1 || number > 65_535) {
    throw unusable(url, `${JSON.stringify(text)} is no HOST:PORT`);
  }
  return `${host}:${number}`;
}

function parsePrefix(url: string, text: string): string {
  const prefix = text.replace(/\/+$/, '') || defaultEtcdPrefix;
  if (!/^[!-}]{1,200}$/.test(prefix)) throw unusable(url, 'the prefix is printable ASCII');
  return `${prefix}/`;
}

function parseTls(
  url: string,
  isSecure: boolean,
  query: string,
): (StorePlace & { kind: 'etcd' })['tls'] {
  const given = Object.fromEntries(new URLSearchParams(query));
  const { ca, cert, key, ...unknown } = given;
  const [first] = Object.keys(unknown);
  if (first !== undefined) throw unusable(url, `there is no ${first}=`);
  if (!isSecure) {
    if (query !== '') throw unusable(url, 'files are for etcds://');
    return undefined;
  }
  if (ca === undefined) throw unusable(url, 'etcds:// needs ?ca=FILE');
  if ((cert === undefined) !== (key === undefined)) {
    throw unusable(url, 'cert= and key= are given together');
  }
  return { ca, ...(cert === undefined || key === undefined ? {} : { cert, key }) };
}

async function readCredentials(
  tls: NonNullable<(StorePlace & { kind: 'etcd' })['tls']>,
): Promise<EtcdCredentials> {
  const read = async (path: string): Promise<Buffer> => {
    try {
      return await readFile(path);
    } catch (cause) {
      throw new ConfigError('CONFIG_INVALID', `${path} can't be read, and etcd needs it`, {
        cause,
      });
    }
  };
  return {
    rootCertificate: await read(tls.ca),
    ...(tls.cert === undefined || tls.key === undefined
      ? {}
      : { certChain: await read(tls.cert), privateKey: await read(tls.key) }),
  };
}

const unusable = (url: string, why: string): ConfigError =>
  new ConfigError('CONFIG_INVALID', `no store can be at ${JSON.stringify(url)}: ${why}`);
