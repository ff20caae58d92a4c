import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../src/errors.ts';
import { parseAnnounce, parseScrape } from '../../../tracker/announce-query.ts';
import { packAddress } from '../../../tracker/peer-address.ts';
import { readRawQuery } from '../../../tracker/raw-query.ts';
import { announceUrl, escapeBytes } from './announce-url.ts';

const limits = { peersPerAnnounce: 50, maxPeersPerAnnounce: 200 };
const parse = (fields: Parameters<typeof announceUrl>[0] = {}, remote = '192.0.2.1') =>
  parseAnnounce(announceUrl(fields), packAddress(remote), limits);

test('an announce is read, with the defaults of what it leaves out', () => {
  expect(parse()).toEqual({
    infoHash: 'h'.repeat(20),
    peerId: 'p'.repeat(20),
    address: '\xc0\0\x02\x01',
    port: 6_881,
    leftBytes: 5,
    event: 'none',
    wanted: 50,
    transport: 'plain',
    compact: true,
    noPeerId: false,
  });
});

test('every byte of an info-hash survives, however it is escaped', () => {
  const bytes = fc.uint8Array({ minLength: 20, maxLength: 20 });
  fc.assert(
    fc.property(bytes, fc.boolean(), (hash, lowerCase) => {
      const escaped = escapeBytes(hash);
      const info_hash = lowerCase ? escaped.toLowerCase() : escaped;
      expect(Buffer.from(parse({ info_hash }).infoHash, 'latin1')).toEqual(Buffer.from(hash));
    }),
  );
  expect(parse({ info_hash: 'a+b~c-d_e.f*g!h(i)j@' }).infoHash).toBe('a+b~c-d_e.f*g!h(i)j@');
});

test('the address is that of the socket, whatever the parameter ip says', () => {
  expect(parse({ ip: '203.0.113.9' }).address).toBe('\xc0\0\x02\x01');
  expect(parse({ ipv6: '2001:db8::1' }, '::ffff:192.0.2.7').address).toBe('\xc0\0\x02\x07');
});

test('who stops need not say what it has left', () => {
  expect(parse({ left: undefined, event: 'stopped' }).event).toBe('stopped');
});

test('numbers of clients that do not know the size are understood', () => {
  expect(parse({ left: '18446744073709551615' }).leftBytes).toBe(Number.MAX_SAFE_INTEGER);
});

test('who says sealed=1 is sealed, all others are plain', () => {
  expect(parse({ sealed: '1' }).transport).toBe('sealed');
  expect(parse({ sealed: '0' }).transport).toBe('plain');
});

test('the number of peers is bounded, and -1 leaves it to the tracker', () => {
  expect(parse({ numwant: '7' }).wanted).toBe(7);
  expect(parse({ numwant: '0' }).wanted).toBe(0);
  expect(parse({ numwant: '100000' }).wanted).toBe(200);
  expect(parse({ numwant: '-1' }).wanted).toBe(50);
});

describe('each field that is wrong is named', () => {
  const twentyOne = 'x'.repeat(21);
  const cases: [name: string, value: string | undefined, said: RegExp][] = [
    ['info_hash', undefined, /^info_hash is missing$/],
    ['info_hash', 'abc', /^info_hash must be 20 bytes, it has 3$/],
    [
      'info_hash',
      'x'.repeat(32),
      /^info_hash must be 20 bytes \(of a v2 info-hash, the first 20\)/,
    ],
    ['info_hash', '%zz', /"info_hash" has a %/],
    ['info_hash', `${'x'.repeat(19)}%4`, /"info_hash" has a %/],
    ['peer_id', undefined, /^peer_id is missing$/],
    ['peer_id', twentyOne, /^peer_id must be 20 bytes, it has 21$/],
    ['port', undefined, /^port is missing$/],
    ['port', '0', /^port must be/],
    ['port', '65536', /^port must be/],
    ['port', '-1', /^port must be/],
    ['port', '80x', /^port must be/],
    ['left', undefined, /^left is missing$/],
    ['left', '-1', /^left must be/],
    ['left', 'NaN', /^left must be/],
    ['left', '1e3', /^left must be/],
    ['uploaded', 'much', /^uploaded must be/],
    ['downloaded', '1.5', /^downloaded must be/],
    ['event', 'exploded', /^event must be/],
    ['event', '__proto__', /^event must be/],
    ['numwant', '-2', /^numwant must be/],
    ['numwant', '1e9', /^numwant must be/],
    ['compact', '2', /^compact must be/],
    ['no_peer_id', 'yes', /^no_peer_id must be/],
    ['sealed', 'true', /^sealed must be/],
    ['key', 'k'.repeat(201), /^key is too long$/],
  ];
  test.each(cases)('%s=%s', (name, value, said) => {
    expect(() => parse({ [name]: value })).toThrow(said);
    expect(() => parse({ [name]: value })).toThrow(PeerError);
  });

  test('given more than once', () => {
    const twice = `${announceUrl()}&port=1`;
    expect(() => parseAnnounce(twice, packAddress('192.0.2.1'), limits)).toThrow(
      /^port is given more than once/,
    );
  });

  test('a query that is too long, or has too many parameters', () => {
    const long = `${announceUrl()}&x=${'y'.repeat(9_000)}`;
    expect(() => parseAnnounce(long, packAddress('192.0.2.1'), limits)).toThrow(/8192 are allowed/);
    const many = `${announceUrl()}${'&a=1'.repeat(300)}`;
    expect(() => parseAnnounce(many, packAddress('192.0.2.1'), limits)).toThrow(
      /more than 200 parameters/,
    );
  });

  test('an address that is none', () => {
    expect(() => parse({}, '')).toThrow(/address/);
  });
});

test('any query at all is either read or refused as the fault of who sent it', () => {
  const anything = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(anything, (query) => {
      for (const read of [
        parseScrape,
        (url: string) => parseAnnounce(url, packAddress('::1'), limits),
      ]) {
        try {
          read(`/announce?${query}`);
        } catch (error) {
          expect(error).toBeInstanceOf(PeerError);
        }
      }
    }),
  );
});

test('a scrape names one or several info-hashes, but not everything', () => {
  const [one, two] = ['1'.repeat(20), '\x00\xff'.repeat(10)];
  const url = `/scrape?info_hash=${one}&info_hash=${escapeBytes(Buffer.from(two, 'latin1'))}`;
  expect(parseScrape(url)).toEqual([one, two]);
  expect(() => parseScrape('/scrape')).toThrow(/info_hash is missing/);
  expect(() => parseScrape('/scrape?info_hash=short')).toThrow(/info_hash must be 20 bytes/);
  const many = `/scrape?${`&info_hash=${one}`.repeat(101)}`;
  expect(() => parseScrape(many)).toThrow(/info_hash is given 101 times/);
});

test('a query is read byte by byte', () => {
  const read: [string, string][] = [];
  readRawQuery('/a?x=%E9%00&y&&x=2=3&%79=+', (name, value) => read.push([name, value]));
  expect(read).toEqual([
    ['x', '\xe9\0'],
    ['y', ''],
    ['x', '2=3'],
    ['y', '+'],
  ]);
});
