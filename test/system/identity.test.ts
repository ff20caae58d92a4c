import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { failureOf, resultOf, runProgram } from './ended-program.ts';

describe('identity', () => {
  test('of a fetcher is made in its directory at first use, and printed alone', async () => {
    const directory = join(await temporaryDirectory(), 'new', 'fetcher');
    const made = await resultOf('fetcher', ['identity', '--dir', directory]);
    expect(made).toEqual({ peerId: expect.stringMatching(/^12D3KooW\w{44}$/) as string });
    expect((await stat(join(directory, 'identity.key'))).mode & 0o777).toBe(0o600);
    const { stdout } = await runProgram('fetcher', ['identity', '--dir', directory]);
    expect(stdout).toBe(`${String(made.peerId)}\n`);
  });

  test('may be in a file of its own, for seeder and fetcher', async () => {
    const file = join(await temporaryDirectory(), 'identity.key');
    const made = await resultOf('seeder', ['identity', '--identity', file]);
    const env = { STARLING_IDENTITY: file };
    expect(await resultOf('fetcher', ['identity'], { env })).toEqual(made);
  });

  test('of a seeder is by default in the data folder of the user', async () => {
    const data = await temporaryDirectory();
    await resultOf('seeder', ['identity'], { env: { XDG_DATA_HOME: data } });
    expect((await stat(join(data, 'starling', 'identity.key'))).isFile()).toBe(true);
  });

  test('in a file that is none is refused as bad input', async () => {
    const failure = await failureOf('seeder', ['identity', '--identity', import.meta.filename]);
    expect(failure).toMatchObject({ exit: 2, code: 'CONFIG_INVALID' });
  });
});
