import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import {
  addOperatorOptions,
  Command,
  openOperatorClient,
  type OperatorOptions,
} from '../../../src/cli/index.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Opens the client that these arguments ask for. */
async function open(url: string, ...more: string[]) {
  const tokenFile = join(await temporaryDirectory(), 'token');
  await writeFile(tokenFile, 'secret\n');
  const options: OperatorOptions = addOperatorOptions(new Command().exitOverride())
    .parse(['--tracker', url, '--token-file', tokenFile, ...more], { from: 'user' })
    .opts();
  return await openOperatorClient(options);
}

const others = [
  'http://10.0.0.1:7070',
  'http://tracker',
  'http://[fd00::1]:7070',
  'HTTP://1.2.3.4',
];

test.each(others)('a token is not sent in the clear to %s', async (url) => {
  await expect(open(url)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/in the clear.*https.*--token-in-clear/) as string,
  });
});

test.each(others)('unless it is said that it may be, to %s', async (url) => {
  expect((await open(url, '--token-in-clear')).url).toBe(new URL(url).href.replace(/\/$/, ''));
});

test.each([
  'https://10.0.0.1:7070',
  'http://127.0.0.1:7070',
  'http://127.9.9.9',
  'http://localhost:7070',
  'http://[::1]:7070',
])('it is sent to %s', async (url) => {
  expect((await open(url)).url).toBe(url);
});

test('a variable that says no lets no token go in the clear', async () => {
  vi.stubEnv('STARLING_TOKEN_IN_CLEAR', '0');
  await expect(open('http://10.0.0.1')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  vi.stubEnv('STARLING_TOKEN_IN_CLEAR', '1');
  expect((await open('http://10.0.0.1')).url).toBe('http://10.0.0.1');
});
