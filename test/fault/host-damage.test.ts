import {
  chmod,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { durable, readManifest } from '../../src/image/index.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { channelOf, openActivation } from './host-activation.ts';
import { examineHost } from './host-damage.ts';
import { bakeVersion, contentSketch } from './versions.ts';

/** Each thing that a fault could do to a host; the fault tests are worth what this sees. */
const faults: Record<string, (tree: string, channel: string) => Promise<void>> = {
  'a changed bit': async (tree) => {
    const path = join(tree, 'data/own.bin');
    const content = await readFile(path);
    content[70_000] = (content[70_000] ?? 0) ^ 1;
    await chmod(path, 0o644);
    await writeFile(path, content);
  },
  'a file cut short': async (tree) => {
    await truncate(join(tree, 'data/own.bin'), 65_536);
  },
  'a missing file': async (tree) => {
    await unlink(join(tree, 'small/1/file-1.txt'));
  },
  'a file too many': async (tree) => {
    await writeFile(join(tree, 'small/1/more.txt'), 'x');
  },
  'a missing empty directory': async (tree) => {
    await rm(join(tree, 'empty'), { recursive: true });
  },
  'a lost mode': async (tree) => {
    await chmod(join(tree, 'data/tools/run'), 0o444);
  },
  'a link to elsewhere': async (tree) => {
    await unlink(join(tree, 'data/latest'));
    await symlink('tools', join(tree, 'data/latest'));
  },
  'an empty torrent': async (tree) => {
    const [imageId = ''] = tree.split('/').slice(-2);
    await truncate(join(tree, '..', `${imageId}.torrent`), 0);
  },
  'an empty record': async (_tree, channel) => {
    await truncate(join(channel, 'generations/1/generation.json'), 0);
  },
  'a generation that is gone': async (_tree, channel) => {
    await rename(join(channel, 'generations/1'), join(channel, 'generations/2'));
  },
  'no current generation': async (_tree, channel) => {
    await unlink(join(channel, 'current'));
  },
};

test.each(Object.entries(faults))('the check of a host sees %s', async (_name, damage) => {
  const host = await temporaryDirectory();
  const { imageId, tree } = await bakeVersion(host, 1, contentSketch(1, 100, 4));
  const log = pino({ level: 'silent' });
  {
    await using activation = await openActivation({ host, durability: durable, log });
    const manifest = await readManifest(tree);
    const { signal } = new AbortController();
    await activation.activate(
      { imageId, tree, manifest, release: 1, version: '1.0.0' },
      { signal },
    );
  }
  const store = join(host, 'store');
  const whole = await examineHost(channelOf(host), store);
  expect(whole).toEqual({ damage: [], number: 1, version: '1.0.0' });
  await damage(tree, channelOf(host));
  expect((await examineHost(channelOf(host), store)).damage).not.toEqual([]);
});
