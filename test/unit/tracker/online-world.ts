import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { imageIdOf } from '../../../src/image/index.ts';
import {
  createKeyPair,
  createKeys,
  delegateApp,
  loadKeyFiles,
  loadKeyring,
  loadPublicKeys,
  openOnlineKey,
  signNextRoot,
  signReleaseFile,
  type Keyring,
  type MetadataUpdate,
  type SigningKey,
} from '../../../src/trust/index.ts';
import { durableFiles, type DurableFiles } from '../../../tracker/durable-file.ts';
import { ReleaseStore } from '../../../tracker/release-store.ts';
import { temporaryDirectory } from './running-tracker.ts';

/** A tracker's repository that signs snapshot and timestamp by itself, and those who release. */
export interface OnlineWorld {
  readonly store: ReleaseStore;
  readonly directory: string;
  readonly root: string;
  readonly rootKey: SigningKey;
  readonly keys: Keyring;
  /** Opens the same repository again, as after a restart. */
  readonly open: (init?: { files?: DurableFiles; onlineKey?: SigningKey }) => Promise<ReleaseStore>;
  /** Signs that `app/stable` is an image with this content: targets, or the app's file, alone. */
  readonly release: (content: string, keys?: Keyring, app?: string) => MetadataUpdate;
  readonly delegate: (app: string, team: SigningKey) => MetadataUpdate;
  /** The next root, with other keys of the tracker. */
  readonly nextRoot: (
    change: Parameters<typeof signNextRoot>[0]['change'],
    more?: SigningKey[],
  ) => string;
  readonly newKey: () => Promise<SigningKey>;
}

export async function createOnlineWorld(init: {
  readonly now: () => number;
  readonly timestampMs?: number;
  readonly snapshotMs?: number;
  /** Whether root names the tracker's key. */
  readonly isNamed?: boolean;
}): Promise<OnlineWorld> {
  const parent = await temporaryDirectory();
  const online = await openOnlineKey(join(parent, 'online.key'));
  const { isNamed = true, timestampMs = 86_400_000, snapshotMs = 5 * 86_400_000, now } = init;
  const [named] = await loadPublicKeys(isNamed ? [online.publicPath] : []);
  const keysDirectory = join(parent, 'keys');
  const { rootPath } = await createKeys(keysDirectory, {
    now: new Date(now()),
    onlineKey: named,
  });
  const directory = join(parent, 'tuf');
  const root = await readFile(rootPath, 'utf8');
  const keys = await loadKeyring(keysDirectory);
  const [rootKey] = await loadKeyFiles([join(keysDirectory, 'root.key')]);
  if (rootKey === undefined) throw new Error('there is one');
  const log = pino({ level: 'silent' });
  const open: OnlineWorld['open'] = ({ files = durableFiles, onlineKey = online.key } = {}) =>
    ReleaseStore.open(
      { now, log, files },
      { directory, rootPath, onlineKey, expiry: { timestampMs, snapshotMs } },
    );
  const store = await open();
  let made = 0;
  const signing = () => ({ root: store.root, now: new Date(now()), current: store.current?.set });
  return {
    store,
    directory,
    root,
    rootKey,
    keys,
    open,
    release(content, signers = keys, app = 'app') {
      const digest = hash('sha256', content, 'buffer');
      const image = { imageId: imageIdOf(digest), infoHash: digest.toString('hex') };
      const named = { app, channel: 'stable', infoBytes: content.length, version: '1.0.0' };
      return signReleaseFile({ ...signing(), keys: signers, release: { ...named, ...image } })
        .update;
    },
    delegate: (app, team) =>
      delegateApp({ ...signing(), keys, app, teamKeys: [team.key], threshold: 1 }),
    nextRoot: (change, more = []) =>
      signNextRoot({ root: store.root, change, keys: [rootKey, ...more], now: new Date(now()) })
        .root,
    async newKey() {
      const path = join(parent, `${made++}.key`);
      await createKeyPair(path);
      const [key] = await loadKeyFiles([path]);
      if (key === undefined) throw new Error('there is one');
      return key;
    },
  };
}
