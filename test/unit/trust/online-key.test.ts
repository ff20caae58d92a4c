import { chmod, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { completeSet } from '../../../src/trust/complete-set.ts';
import { delegateApp } from '../../../src/trust/delegate.ts';
import { createKeys, loadKeyring, loadPublicKeys } from '../../../src/trust/key-files.ts';
import {
  verifyUpdate,
  type MetadataSet,
  type MetadataUpdate,
} from '../../../src/trust/metadata-set.ts';
import { isOnlineKey, openOnlineKey } from '../../../src/trust/online-key.ts';
import { renew, signRelease, signReleaseFile } from '../../../src/trust/sign-release.ts';
import { generateKey, parseKey } from '../../../src/trust/signing-key.ts';
import {
  codeOf,
  forge,
  imageNumber,
  Repository,
  temporaryDirectory,
  type Signed,
} from './repository.ts';

/** A repository whose snapshot and timestamp are signed by a tracker's key alone. */
async function online() {
  const directory = await temporaryDirectory();
  const { key: onlineKey, publicPath } = await openOnlineKey(join(directory, 'online.key'));
  const [publicKey] = await loadPublicKeys([publicPath]);
  const keysDirectory = join(directory, 'keys');
  const now = new Date();
  const { rootPath } = await createKeys(keysDirectory, { now, onlineKey: publicKey });
  const root = await readFile(rootPath, 'utf8');
  const keys = await loadKeyring(keysDirectory);
  const rootPem = await readFile(join(keysDirectory, 'root.key'), 'utf8');
  const rootKey = parseKey('root.key', rootPem);
  const complete = (update: MetadataUpdate, current?: MetadataSet) =>
    completeSet({ root, keys: [onlineKey], now, current, update });
  const release = (number: number, current?: MetadataSet, path?: string) =>
    signReleaseFile({ root, keys, now, current, release: imageNumber(number, path) }).update;
  return { directory, onlineKey, keys, root, rootKey, now, complete, release };
}

test('the key is made once, for its owner’s eyes only, with its public half beside it', async () => {
  const { directory, onlineKey, root } = await online();
  const path = join(directory, 'online.key');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await openOnlineKey(path)).key.key.keyID).toBe(onlineKey.key.keyID);
  expect(isOnlineKey(root, onlineKey)).toBe(true);
  expect(isOnlineKey(root, generateKey().key)).toBe(false);
  expect(await codeOf(() => loadPublicKeys([path]))).toBe('CONFIG_INVALID');
  await chmod(path, 0o644);
  expect(await codeOf(() => openOnlineKey(path))).toBe('CONFIG_INVALID');
});

test('a release is one file, and a host believes it when the tracker has named it', async () => {
  const { complete, release, root, directory } = await online();
  const first = complete(release(1));
  const second = complete(release(2, first), first);
  const repository = new Repository();
  repository.publish(second);
  const host = repository.client({ directory: join(directory, 'trust'), root });
  await host.refresh();
  expect(await host.releases()).toEqual([{ ...imageNumber(2), release: 2 }]);
  repository.publish(complete({}, second));
  await host.refresh();
  expect(await host.current()).toMatchObject({ targets: second.targets });
});

test('the owner alone can not complete a release, nor the tracker begin one', async () => {
  const { root, keys, now, release, onlineKey, complete } = await online();
  const init = { root, now, current: undefined, release: imageNumber(1) };
  expect(await codeOf(() => signRelease({ ...init, keys }))).toBe('CONFIG_INVALID');
  expect(await codeOf(() => signReleaseFile({ ...init, keys: [onlineKey] }))).toBe(
    'CONFIG_INVALID',
  );
  const set = complete(release(1));
  expect(await codeOf(() => renew({ root, keys, now, current: set }))).toBe('CONFIG_INVALID');
});

/** What who has stolen the online key signs: other images, by whatever file it likes. */
test('the online key can not name an image: checkSignatures, checkDelegatedSignatures', async () => {
  const { root, keys, now, release, onlineKey, complete, directory } = await online();
  const { key: team } = generateKey();
  const first = complete(release(1));
  const teamKeys = [team.key];
  const update = { root, keys, now, current: first, app: 'hello', teamKeys, threshold: 1 };
  const second = complete(delegateApp(update), first);
  const teamInit = { root, keys: [team], now, current: second, release: imageNumber(2) };
  const third = complete(signReleaseFile(teamInit).update, second);

  const all = { targets: onlineKey, snapshot: onlineKey, timestamp: onlineKey };
  const newer = (signed: Signed) => {
    signed.version += 10;
  };
  const edits = { targets: newer, snapshot: newer, timestamp: newer };
  const evil: Record<string, MetadataSet> = {
    targets: { ...forge({ keys: all }, third, edits), delegated: third.delegated },
  };
  const file = JSON.parse(third.delegated?.hello ?? '') as { signed: Signed };
  file.signed.version = 9;
  const { signAny } = await import('./repository.ts');
  const text = signAny(file.signed, [onlineKey]);
  const named = forge({ keys: all }, third, {
    snapshot: (signed) => {
      newer(signed);
      signed.meta['hello.json'] = { version: 9 };
    },
    timestamp: newer,
  });
  evil.delegated = { ...named, delegated: { hello: text } };
  for (const [what, next] of Object.entries(evil)) {
    const code = await codeOf(() => verifyUpdate({ root, current: third, next, now }));
    expect(code, `tracker: ${what}`).toBe('REPOSITORY_SIGNATURE');
    const repository = new Repository();
    repository.publish(next);
    const host = repository.client({ directory: join(directory, what), root });
    expect(await codeOf(() => host.refresh()), `host: ${what}`).toBe('REPOSITORY_SIGNATURE');
    expect(await host.releases(), what).toEqual([]);
  }
});
