import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeTlsCertificate } from '../tools/tls-certificate.ts';
import { writeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { failureOf, resultOf, runProgram } from './ended-program.ts';
import { RunningProgram } from './running-program.ts';

test('an operator releases over TLS with a token of their own, until it is revoked', async () => {
  const directory = await temporaryDirectory();
  const at = (name: string) => join(directory, name);
  const { certPath, keyPath } = await writeTlsCertificate(directory);
  await resultOf('seeder', ['keys', 'init', '--keys', at('keys')]);
  await writeTree(at('tree'), { 'hello.txt': 'hello' });
  const named = ['--name', 'small', '--version', '1.0.0', '--store', at('store')];
  const image = await resultOf('seeder', ['bake', at('tree'), ...named]);

  const sealed = ['--tls-cert', certPath, '--tls-key', keyPath, '--port', '0', '--no-udp'];
  const own = ['--dir', at('tracker'), '--root', at('keys/root.json')];
  await using tracker = new RunningProgram('tracker', ['serve', ...own, ...sealed]);
  const { restUrl } = await tracker.untilEvent('listening');
  expect(restUrl).toMatch(/^https:/);

  const dir = ['--dir', at('tracker')];
  const made = await resultOf('tracker', ['operator', 'create', 'alice', '--ttl', '1h', ...dir]);
  expect(made).toMatchObject({ name: 'alice', expiresAt: expect.any(String) as string });
  await writeFile(at('alice.token'), String(made.token), { mode: 0o600 });
  const listed = await resultOf('tracker', ['operator', 'list', ...dir]);
  expect(listed).toMatchObject({ operators: [{ name: 'alice', isOver: false }] });
  expect(JSON.stringify(listed)).not.toContain(String(made.token));

  const release = [
    ...['release', 'small', 'stable', String(image.id), '--store', at('store')],
    ...['--keys', at('keys'), '--token-file', at('alice.token'), '--tracker', String(restUrl)],
  ];
  const unpinned = await failureOf('seeder', release);
  expect(unpinned).toMatchObject({ code: 'TRACKER_UNREACHABLE' });
  const pinned = [...release, '--tracker-ca', certPath];
  expect(await resultOf('seeder', pinned)).toMatchObject({ release: 1 });

  await resultOf('tracker', ['operator', 'revoke', 'alice', ...dir]);
  expect(await failureOf('seeder', pinned)).toMatchObject({ exit: 3, code: 'TRACKER_REFUSED' });
  expect(await tracker.end()).toBe(0);
});

test('what is asked of operators wrongly is said, and nothing is made', async () => {
  const directory = await temporaryDirectory();
  const dir = ['--dir', join(directory, 'none')];
  const create = await failureOf('tracker', ['operator', 'create', 'alice', ...dir]);
  expect(create).toMatchObject({ exit: 2, code: 'CONFIG_MISSING' });
  const half = ['serve', '--tls-cert', 'x', ...dir];
  expect((await runProgram('tracker', half)).code).toBe(2);
});
