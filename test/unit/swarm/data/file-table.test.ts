import { constants, fstatSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FileTable, type LentFile } from '../../../../src/swarm/data/file-table.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

/** The files below a folder that this process has open. */
function openBelow(folder: string): string[] {
  const targets = readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`)];
    } catch {
      return [];
    }
  });
  return targets.filter((target) => target.startsWith(`${folder}/`)).sort();
}

const tableIn = (limit: number) => new FileTable({ flags: constants.O_RDONLY, limit });

async function folderWithFiles(count: number) {
  const folder = await temporaryDirectory();
  const paths = Array.from({ length: count }, (_, index) => join(folder, `f${index}`));
  paths.forEach((path, index) => {
    writeFileSync(path, 'x'.repeat(index));
  });
  return { folder, paths };
}

test('whatever is lent and given back: a lent file is the one named, and few others are open', async () => {
  const { folder, paths } = await folderWithFiles(8);
  const steps = fc.array(
    fc.record({ what: fc.constantFrom('lend', 'lend', 'back', 'close'), at: fc.nat() }),
    { maxLength: 80 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const table = tableIn(3);
      const lent: { size: number; file: LentFile }[] = [];
      for (const { what, at } of list) {
        if (what === 'lend') {
          const size = at % paths.length;
          lent.push({ size, file: table.lend(paths[size] ?? '') });
          const inUse = new Set(lent.map(({ file }) => file.file)).size;
          expect(openBelow(folder).length).toBeLessThanOrEqual(3 + inUse);
        } else if (what === 'back' && lent.length > 0) {
          lent.splice(at % lent.length, 1)[0]?.file.giveBack();
        } else if (what === 'close') table.closeBelow(folder);
        for (const { size, file } of lent) expect(fstatSync(file.file).size).toBe(size);
      }
      table.close();
      for (const { size, file } of lent) {
        expect(fstatSync(file.file).size).toBe(size);
        file.giveBack();
      }
      expect(openBelow(folder)).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test('the files used last stay open', async () => {
  const { folder, paths } = await folderWithFiles(4);
  const table = tableIn(2);
  for (const index of [0, 1, 0, 2]) table.lend(paths[index] ?? '').giveBack();
  expect(openBelow(folder)).toEqual([paths[0], paths[2]]);
  table.close();
});

test('a file that is lent twice is opened once', async () => {
  const { paths } = await folderWithFiles(1);
  const table = tableIn(2);
  const [one, other] = [table.lend(paths[0] ?? ''), table.lend(paths[0] ?? '')];
  expect(one.file).toBe(other.file);
  one.giveBack();
  expect(fstatSync(other.file).size).toBe(0);
  other.giveBack();
  table.close();
});

test('only files below the folder are closed, not those of a folder that begins alike', async () => {
  const { folder, paths } = await folderWithFiles(1);
  const table = tableIn(2);
  table.lend(paths[0] ?? '').giveBack();
  table.closeBelow(folder.slice(0, -1));
  expect(openBelow(folder)).toEqual(paths);
  table.closeBelow(folder);
  expect(openBelow(folder)).toEqual([]);
});

test('what can not be opened is an error, and leaves nothing open', async () => {
  const { folder } = await folderWithFiles(0);
  const table = tableIn(2);
  expect(() => table.lend(join(folder, 'missing'))).toThrow('ENOENT');
  table.close();
  expect(openBelow(folder)).toEqual([]);
});
