import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';
import { openSettings } from './fixture.ts';

const rounds = 2;

/** Lets a host take revisions, and kills it after so many. @returns the last that it acknowledged */
async function applyAndKill(path: string, count: number): Promise<number> {
  const script = join(import.meta.dirname, 'applying-host.ts');
  const host = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void host.kill('SIGKILL'));
  const closed = once(host, 'close');
  let acknowledged = 0;
  let left = count;
  createInterface(host.stdout).on('line', (line) => {
    acknowledged = (JSON.parse(line) as { revision: number }).revision;
    if (--left === 0) host.kill('SIGKILL');
  });
  await closed;
  return acknowledged;
}

test('a host that is killed while it takes settings has them whole, and none that is older', async () => {
  const directory = await temporaryDirectory();
  for (let round = 1; round <= rounds; round++) {
    const acknowledged = await applyAndKill(join(directory, 'web.json'), 8 * round);
    const settings = await openSettings(directory);
    expect(settings.revision).toBeGreaterThanOrEqual(acknowledged);
    const DB = `http://db-${settings.revision}/`.repeat(500);
    expect(settings.values).toEqual({ DB });
  }
  expect((await readdir(directory)).filter((name) => !/^web\.json(\.tmp)?$/.test(name))).toEqual(
    [],
  );
});
