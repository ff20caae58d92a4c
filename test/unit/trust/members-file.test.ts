import { rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { Identity } from '../../../src/trust/identity.ts';
import { MembersFile, parseMembers } from '../../../src/trust/members-file.ts';
import { eventually } from '../../tools/eventually.ts';
import { codeOf, temporaryDirectory } from './repository.ts';

const intervalMs = 10;
let a: string, b: string, c: string;

beforeAll(() => {
  const made = [1, 2, 3].map(() => Identity.generate());
  [a, b, c] = made.map(({ peerId }) => peerId) as [string, string, string];
});

/** A members file that is looked at, and what it said of its changes. */
async function watched(path: string) {
  const warnings: string[] = [];
  const changes: number[] = [];
  const members = await MembersFile.open(path, {
    intervalMs,
    onWarning: (_, error) => warnings.push(error instanceof Error ? error.message : ''),
    onChange: (ids) => changes.push(ids.size),
  });
  onTestFinished(() => members[Symbol.asyncDispose]());
  return { members, warnings, changes };
}

const until = (what: string, holds: () => boolean) =>
  eventually(what, () => Promise.resolve(holds() ? true : undefined), { deadlineMs: 10_000 });

test('a members file is read with comments, empty lines and either kind of line end', () => {
  const text = `# the fleet\n\n${a}\r\n  ${b}  # host 2\n#${c}\n${a}`;
  expect([...parseMembers('members', text)]).toEqual([a, b]);
});

test.each([
  ['no peer id', (id: string) => `${id}\nhost-2\n`, 2],
  ['two on a line', (id: string) => `# fleet\n${id} ${id}\n`, 2],
  ['a torn peer id', (id: string) => `${id}\n\n${id.slice(0, 20)}`, 3],
])('the line is named that has %s', (_, textOf, line) => {
  expect(() => parseMembers('members', textOf(a))).toThrow(`members, line ${line}: `);
});

test('a file that names nobody is refused', () => {
  for (const text of ['', '\n', '# nobody\n']) {
    expect(() => parseMembers('members', text)).toThrow(/names no member/);
  }
});

test('any text is read or refused as the fault of who typed it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      expect(() => parseMembers('members', text)).toThrow(ConfigError);
      expect(parseMembers('members', `${a}\n#${text.replaceAll('\n', '')}`).size).toBe(1);
    }),
  );
});

test('a file that is missing, wrong or too large is refused at the start', async () => {
  const path = join(await temporaryDirectory(), 'members');
  const open = () => codeOf(() => MembersFile.open(path, { intervalMs }));
  expect(await open()).toBe('CONFIG_MISSING');
  await writeFile(path, 'host-1');
  expect(await open()).toBe('CONFIG_INVALID');
  await writeFile(path, `#${' '.repeat(16 << 20)}\n${a}`);
  expect(await open()).toBe('CONFIG_INVALID');
});

test('a file that is written in place, or takes the place of another, is read again', async () => {
  const directory = await temporaryDirectory();
  const path = join(directory, 'members');
  await writeFile(path, a);
  const { members, warnings, changes } = await watched(path);
  expect([...members.ids]).toEqual([a]);
  await writeFile(path, `${a}\n${b}`);
  await until('the second member', () => members.ids.has(b));
  await writeFile(join(directory, 'new'), c);
  await rename(join(directory, 'new'), path);
  await until('the third member alone', () => members.ids.size === 1 && members.ids.has(c));
  expect({ warnings, changes }).toEqual({ warnings: [], changes: [2, 1] });
});

test('a link that is turned to another file is read again', async () => {
  const directory = await temporaryDirectory();
  const [path, next] = [join(directory, 'members'), join(directory, 'next')];
  await writeFile(join(directory, 'one'), a);
  await writeFile(join(directory, 'two'), b);
  await symlink('one', path);
  const { members } = await watched(path);
  await symlink('two', next);
  await rename(next, path);
  await until('the member of the other file', () => members.ids.has(b));
});

test('a change that can not be used is told once, and the members from before stay', async () => {
  const path = join(await temporaryDirectory(), 'members');
  await writeFile(path, a);
  const { members, warnings, changes } = await watched(path);
  await writeFile(path, `${b}\nhost-2`);
  await until('a warning', () => warnings.length > 0);
  expect(warnings[0]).toMatch(/line 2: "host-2"/);
  await rm(path);
  await until('another warning', () => warnings.length > 1);
  expect(warnings[1]).toMatch(/does not exist/);
  await writeFile(path, '');
  await until('a third warning', () => warnings.length > 2);
  expect([...members.ids]).toEqual([a]);
  await writeFile(path, b);
  await until('the new member', () => members.ids.has(b));
  expect(warnings).toHaveLength(3);
  expect(changes).toEqual([1]);
});

test('after it is disposed of, nothing is read any more', async () => {
  const path = join(await temporaryDirectory(), 'members');
  await writeFile(path, a);
  const { members, changes } = await watched(path);
  await members[Symbol.asyncDispose]();
  await writeFile(path, b);
  await new Promise((resolve) => setTimeout(resolve, 10 * intervalMs));
  expect([...members.ids]).toEqual([a]);
  expect(changes).toEqual([]);
});
