import { expect, test } from 'vitest';
import { summarizeSet } from '../../../src/trust/metadata-set.ts';
import { signRelease } from '../../../src/trust/sign-release.ts';
import { createPublisher, imageNumber } from './repository.ts';

const now = new Date('2030-01-01T00:00:00Z');

async function sign(terms: { rollout?: string; needs?: Record<string, string> }) {
  const { root, keys } = await createPublisher(now);
  const release = { ...imageNumber(1), ...terms };
  return signRelease({ root, keys, current: undefined, release, now });
}

test('a release says by which plan it spreads, and what its image needs', async () => {
  const terms = { rollout: 'waves=1,100% gate=5s', needs: { DB: 'endpoint', PORT: 'port' } };
  const { set } = await sign(terms);
  expect(summarizeSet(set).releases).toEqual([{ ...imageNumber(1), release: 1, ...terms }]);
});

test('what no tracker or host could read is not signed', async () => {
  await expect(sign({ rollout: 'waves=1' })).rejects.toThrow('the last wave is 100%');
  const windows = Array.from({ length: 60 }, () => `window=zone:${'z'.repeat(60)}@*/00:00-01:00`);
  await expect(sign({ rollout: windows.join(' ') })).rejects.toThrow('nothing was signed');
  const needs = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, at) => [`NEED_${at}`, 'endpoint']),
  );
  await expect(sign({ needs })).rejects.toThrow('longer than 16384 characters');
});
