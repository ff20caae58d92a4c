import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compare, readMeasured } from '../../../../bench/simulate/compare.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

const fileOf = async (content: string): Promise<string> => {
  const path = join(await temporaryDirectory(), 'swarm.json');
  await writeFile(path, content);
  return path;
};

const predicted = {
  name: 'equal-16',
  medianHostSeconds: 11,
  lastHostSeconds: 18,
};

describe('what was measured', () => {
  test('is held against what was predicted, by how much the prediction is above it', async () => {
    const runs = [
      { name: 'starling', scenario: 'equal-16', medianHostSeconds: 10, lastHostSeconds: 20 },
      { name: 'starling', scenario: 'tracker-dies', medianHostSeconds: 10, lastHostSeconds: 20 },
      { name: 'starling', scenario: 'equal-32' },
    ];
    const measured = await readMeasured(await fileOf(JSON.stringify({ bench: 'swarm', runs })));
    expect(compare([predicted], measured)).toEqual([
      {
        scenario: 'equal-16',
        name: 'starling',
        figure: 'medianHostSeconds',
        predictedSeconds: 11,
        measuredSeconds: 10,
        differencePercent: 10,
      },
      {
        scenario: 'equal-16',
        name: 'starling',
        figure: 'lastHostSeconds',
        predictedSeconds: 18,
        measuredSeconds: 20,
        differencePercent: -10,
      },
    ]);
  });

  test('is refused when it is no result of a bench', async () => {
    const path = await fileOf('{"runs": 3}');
    await expect(readMeasured(path)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
