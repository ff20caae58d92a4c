import { describe, expect, test } from 'vitest';
import { fillIn, resolveNeeds } from '../../../fetcher/needs.ts';
import type { Manifest } from '../../../src/image/index.ts';
import { manifestSchema } from '../../../src/image/manifest-schema.ts';

function manifestWith(needs: Record<string, unknown>): Manifest {
  return manifestSchema.parse({ name: 'web', version: '1', needs });
}

function resolve(needs: Record<string, unknown>, supplies: Record<string, string>) {
  return Object.fromEntries(resolveNeeds(manifestWith(needs), new Map(Object.entries(supplies))));
}

describe('the values of needs', () => {
  test('are what is supplied, else the default, and nothing else', () => {
    const needs = {
      PORT: { type: 'port', default: 80 },
      DEBUG: { type: 'boolean', default: false },
      NAME: { type: 'string' },
    };
    const values = resolve(needs, { PORT: '8080', NAME: '', OTHER: 'x' });
    expect(values).toEqual({ PORT: '8080', DEBUG: 'false', NAME: '' });
  });

  test('that are missing or wrong are all named in one refusal', () => {
    const needs = { A: { type: 'port' }, B: { type: 'url' }, C: { type: 'string' } };
    expect(() => resolve(needs, { B: 'not a url', C: 'fine' })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_NEEDS_UNMET',
        evidence: {
          needs: {
            A: 'is not supplied',
            B: 'must be a URL, such as http://host:port/path',
          },
        },
      }),
    );
  });

  test.each([
    ['port', ['1', '65535'], ['0', '65536', '080', '', ' 80', '8e1', '-1']],
    ['number', ['1', '-2.5', '1e3'], ['', ' ', 'one', 'Infinity', 'NaN']],
    ['boolean', ['true', 'false'], ['True', '1', '']],
    ['url', ['http://a/b', 'postgres://u:p@h:1/d'], ['a/b', '']],
    [
      'endpoint',
      ['host:1', '10.0.0.1:80', '[::1]:443'],
      ['host', 'host:0', ':80', '::1:80', 'a b:1'],
    ],
    ['string', ['', 'anything'], ['a\0b', 'x'.repeat(65_537)]],
  ])('of type %s are checked', (type, good, bad) => {
    for (const value of good) expect(resolve({ X: { type } }, { X: value })).toEqual({ X: value });
    for (const value of bad) expect(() => resolve({ X: { type } }, { X: value })).toThrow(/ X /);
  });

  test('may not have the names that Starling sets', () => {
    const needs = { STARLING_APP: { type: 'string', default: '' } };
    expect(() => resolve(needs, {})).toThrow(expect.objectContaining({ code: 'IMAGE_MANIFEST' }));
  });
});

describe('filling in', () => {
  const values = new Map([
    ['PORT', '80'],
    ['MORE', '${PORT}$&'],
  ]);

  test('puts each value in its place, once, as it is', () => {
    expect(fillIn('a ${PORT} b ${PORT}${MORE}', values, 'start')).toBe('a 80 b 80${PORT}$&');
  });

  test('leaves other uses of the dollar sign', () => {
    const text = '$PORT ${PORT:-1} ${} $$ ${1}';
    expect(fillIn(text, values, 'start')).toBe(text);
  });

  test('refuses an unknown name', () => {
    expect(() => fillIn('${HOST}', values, 'health.url')).toThrow(
      /health\.url refers to \$\{HOST\}/,
    );
  });
});
