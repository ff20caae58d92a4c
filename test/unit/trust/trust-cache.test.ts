import { mkdir, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { durable, type Durability } from '../../../src/image/index.ts';
import { ReleaseClient } from '../../../src/trust/release-client.ts';
import { TrustCache, type TrustState } from '../../../src/trust/trust-cache.ts';
import { codeOf, createPublisher, releases, Repository, temporaryDirectory } from './repository.ts';

const names = ['trusted.state', 'trusted-copy.state'] as const;
const one: TrustState = { roots: ['a root'], timestamp: 'first' };
const two: TrustState = { roots: ['a root', 'another'], timestamp: 'second', snapshot: 'a' };

const damages: Record<string, (path: string) => Promise<void>> = {
  emptied: (path) => truncate(path, 0),
  torn: (path) => truncate(path, 70),
  'with one digit of a signature changed': async (path) => {
    const text = await readFile(path, 'utf8');
    const at = text.indexOf('sig', text.indexOf('"timestamp":')) + 20;
    const digit = text[at] === '0' ? '1' : '0';
    await writeFile(path, `${text.slice(0, at)}${digit}${text.slice(at + 1)}`);
  },
  'of garbage': (path) => writeFile(path, 'garbage\n'),
  'of another form': (path) => writeFile(path, '{}\n{}'),
  gone: (path) => rm(path),
};

/** A host that has verified release 2, and a tracker that replays release 1. */
async function host() {
  const publisher = await createPublisher();
  const repository = new Repository();
  const [first, second] = releases(publisher, 2);
  if (second === undefined) throw new Error('there are two');
  const init = { directory: await temporaryDirectory(), root: publisher.root };
  repository.publish(second);
  await repository.client(init).refresh();
  repository.publish(first);
  return { repository, init, second };
}

test('what was written is read, and the newest of it', async () => {
  const directory = join(await temporaryDirectory(), 'deep', 'down');
  const cache = new TrustCache({ durability: durable }, { directory });
  expect(await cache.read()).toBeUndefined();
  await cache.write(one);
  await cache.write(two);
  expect(await cache.read()).toEqual(two);
  expect((await readdir(directory)).sort()).toEqual([...names].sort());
});

test.each(Object.entries(damages))(
  'one file %s neither stops a host nor lets it be rolled back',
  async (_how, damage) => {
    for (const name of names) {
      const { repository, init, second } = await host();
      await damage(join(init.directory, name));
      expect(await repository.client(init).releases()).toMatchObject([{ release: 2 }]);
      expect(await codeOf(() => repository.client(init).refresh())).toBe('REPOSITORY_ROLLBACK');
      repository.publish(second);
      await repository.client(init).refresh();
    }
  },
);

test('both files damaged are as none at all, and it is told', async () => {
  const { repository, init, second } = await host();
  for (const name of names) await truncate(join(init.directory, name), 10);
  const told: string[] = [];
  const client = repository.client(init, (why) => told.push(why));
  expect(await client.releases()).toEqual([]);
  repository.publish(second);
  await client.refresh();
  expect(told).toEqual(['damaged']);
  expect(await client.releases()).toMatchObject([{ release: 2 }]);
});

test('a file that can not be read is an error of this disk, unless the other can', async () => {
  const { repository, init } = await host();
  for (const [position, name] of names.entries()) {
    await rm(join(init.directory, name));
    await mkdir(join(init.directory, name));
    const last = position === names.length - 1;
    const code = await codeOf(() => repository.client(init).releases());
    expect(code).toBe(last ? 'STORAGE_FAILED' : 'returned');
  }
});

/** Stops for good at one of its steps, like a machine whose power is cut. */
function cutAt(step: number): Durability {
  let steps = 0;
  const cut = Object.assign(new Error('the power is cut'), { code: 'CUT' });
  const sync = () => (++steps >= step ? Promise.reject(cut) : Promise.resolve());
  return { syncFile: sync, syncDirectory: sync };
}

test('a cut at any step of an update leaves the old state or the new one', async () => {
  const seen = new Set<number | undefined>();
  for (let step = 1; step <= 5; step++) {
    const publisher = await createPublisher();
    const [first, second] = releases(publisher, 2);
    const repository = new Repository();
    const init = { directory: await temporaryDirectory(), root: publisher.root };
    repository.publish(first);
    await repository.client(init).refresh();
    repository.publish(second ?? first);
    const { fetchMetadata } = repository;
    const cut = new ReleaseClient({ fetchMetadata, durability: cutAt(step) }, init);
    expect(await codeOf(() => cut.refresh())).toBe(step < 5 ? 'CUT' : 'returned');
    const [release] = await repository.client(init).releases();
    seen.add(release?.release);
    await repository.client(init).refresh();
    expect(await repository.client(init).releases()).toMatchObject([{ release: 2 }]);
  }
  expect([...seen].sort()).toEqual([1, 2]);
});

test('scratch of a process that was killed is removed when it is old', async () => {
  const { repository, init, second } = await host();
  const [old, fresh] = ['refresh-old', 'refresh-new'].map((name) => join(init.directory, name));
  if (old === undefined || fresh === undefined) throw new Error('there are two');
  await mkdir(old);
  await mkdir(fresh);
  await utimes(old, 0, 0);
  repository.publish(second);
  await repository.client(init).refresh();
  expect((await readdir(init.directory)).sort()).toEqual(['refresh-new', ...names].sort());
});
