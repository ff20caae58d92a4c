import fc from 'fast-check';
import { expect, test } from 'vitest';
import { channelPath, parseChannelPath } from '../../../src/trust/channel-path.ts';
import { codeOf } from './repository.ts';

test('a channel path is an app and a channel', () => {
  expect(parseChannelPath('hello/stable')).toEqual({ app: 'hello', channel: 'stable' });
  expect(parseChannelPath('0.a_b-c/1')).toEqual({ app: '0.a_b-c', channel: '1' });
});

test('what is not APP/CHANNEL is refused', async () => {
  const wrong = ['', 'hello', 'hello/', '/stable', 'a/b/c', '../b', 'a/..', 'A/b', 'a/b ', 'ä/b'];
  for (const text of [...wrong, 'a\n/b', 'a/b\n', `${'a'.repeat(101)}/b`, '__proto__/b']) {
    expect(await codeOf(() => parseChannelPath(text)), JSON.stringify(text)).toBe('CONFIG_INVALID');
  }
});

test('every channel path that is read is written the same', () => {
  const part = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,99}$/);
  fc.assert(
    fc.property(part, part, (app, channel) => {
      expect(parseChannelPath(channelPath({ app, channel }))).toEqual({ app, channel });
    }),
  );
});
