import { afterEach, expect, test, vi } from 'vitest';
import {
  Command,
  defaultIdentity,
  defaultStore,
  identityOption,
  membersOption,
  openOption,
  openPortOption,
  type Option,
} from '../../../src/cli/index.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

const parse = (option: Option, ...args: string[]): Record<string, unknown> =>
  new Command().exitOverride().addOption(option).parse(args, { from: 'user' }).opts();

test('the identity and the members are files, from an option or a variable', () => {
  expect(parse(identityOption())).toEqual({});
  expect(parse(identityOption(), '--identity', 'key')).toEqual({ identity: 'key' });
  vi.stubEnv('STARLING_IDENTITY', 'other');
  vi.stubEnv('STARLING_MEMBERS', 'fleet');
  expect(parse(identityOption())).toEqual({ identity: 'other' });
  expect(parse(membersOption())).toEqual({ members: 'fleet' });
  expect(parse(membersOption(), '--members', 'mine')).toEqual({ members: 'mine' });
});

test('plain BitTorrent is off unless asked for, and a variable that says no asks for nothing', () => {
  expect(parse(openOption())).toEqual({});
  expect(parse(openOption(), '--open')).toEqual({ open: true });
  for (const [said, expected] of [
    ['1', { open: true }],
    ['true', { open: true }],
    ['0', {}],
    ['False', {}],
    ['', {}],
  ] as const) {
    vi.stubEnv('STARLING_OPEN', said);
    expect(parse(openOption())).toEqual(expected);
    expect(parse(openOption(), '--open')).toEqual({ open: true });
  }
});

test('the open port is a port, and a wrong one is named with its variable', () => {
  expect(parse(openPortOption())).toEqual({ openPort: 0 });
  expect(parse(openPortOption(), '--open-port', '6881')).toEqual({ openPort: 6_881 });
  vi.stubEnv('STARLING_OPEN_PORT', '70000');
  expect(() => parse(openPortOption())).toThrow(/--open-port or STARLING_OPEN_PORT/);
});

test('a seeder keeps its identity beside its store', () => {
  const environment = { XDG_DATA_HOME: '/data' };
  expect(defaultStore(environment)).toBe('/data/starling/store');
  expect(defaultIdentity(environment)).toBe('/data/starling/identity.key');
});
