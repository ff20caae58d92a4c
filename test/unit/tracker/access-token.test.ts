import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { AccessToken } from '../../../tracker/access-token.ts';

async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'starling-token-'));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

test('the first start makes a token that only its owner can read, and later ones keep it', async () => {
  const directory = await temporaryDirectory();
  const { path } = await AccessToken.open(directory);
  const text = await readFile(path, 'utf8');
  expect(text).toMatch(/^[A-Za-z0-9_-]{43}\n$/);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const again = await AccessToken.open(directory);
  expect(await readFile(path, 'utf8')).toBe(text);
  expect(again.admits(`Bearer ${text.trim()}`)).toBe(true);
  expect(await readdir(directory)).toEqual(['token']);
});

test('only the token itself is let in', async () => {
  const token = await AccessToken.open(await temporaryDirectory());
  const text = (await readFile(token.path, 'utf8')).trim();
  expect(token.admits(`bearer  ${text} `)).toBe(true);
  const wrong = [
    '',
    'Bearer',
    'Bearer ',
    `Basic ${text}`,
    `Bearer ${text}x`,
    text,
    `Bearer ${text.slice(1)}`,
  ];
  for (const header of [...wrong, undefined]) expect(token.admits(header)).toBe(false);
});

test.each([0o604, 0o640, 0o620, 0o602])(
  'a token file of mode %o is refused, for others may know or change it',
  async (mode) => {
    const directory = await temporaryDirectory();
    const { path } = await AccessToken.open(directory);
    await chmod(path, mode);
    await expect(AccessToken.open(directory)).rejects.toThrow(ConfigError);
  },
);

test.each(['', 'short\n', 'x'.repeat(2_000), 'spaces are not in a token, whatever they say'])(
  'a token file that holds no token is refused and left alone',
  async (content) => {
    const directory = await temporaryDirectory();
    const path = join(directory, 'token');
    await writeFile(path, content, { mode: 0o600 });
    await expect(AccessToken.open(directory)).rejects.toThrow(/holds no token/);
    expect(await readFile(path, 'utf8')).toBe(content);
  },
);
