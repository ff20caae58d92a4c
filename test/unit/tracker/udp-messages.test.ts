import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PeerError } from '../../../src/errors.ts';
import { packAddress, packEndpoint } from '../../../tracker/peer-address.ts';
import {
  maxAnswerBytes,
  readAnnounce,
  readHead,
  readScrape,
  writeAnnounce,
  writeConnect,
  writeError,
  writeScrape,
} from '../../../tracker/udp-messages.ts';
import { announceDatagram, requestHead } from './udp-client.ts';

const limits = { peersPerAnnounce: 50, maxPeersPerAnnounce: 200 };
const ipv4 = packAddress('192.0.2.1') ?? '';
const ipv6 = packAddress('2001:db8::1') ?? '';
const into = Buffer.alloc(maxAnswerBytes);
const hexOf = (length: number) => into.toString('hex', 0, length);
const bytes = (hex: string) => Buffer.from(hex, 'hex');

test('requests are those of BEP 15, byte by byte', () => {
  expect(readHead(bytes('0000041727101980' + '00000000' + '0a0b0c0d'))).toEqual({
    action: 'connect',
    transaction: 0x0a0b0c0d,
  });
  const announce = bytes(
    '0102030405060708' +
      '00000001' +
      'f0000001' +
      '11'.repeat(20) +
      '22'.repeat(20) +
      '0000000000000003' +
      '0000000100000004' +
      '0000000000000005' +
      '00000002' +
      'cb007109' +
      '99999999' +
      '0000000a' +
      '1ae1',
  );
  expect(readHead(announce)).toEqual({
    action: 'announce',
    transaction: 0xf0000001,
    connectionId: '\x01\x02\x03\x04\x05\x06\x07\x08',
  });
  expect(readAnnounce(announce, ipv4, limits)).toEqual({
    infoHash: '\x11'.repeat(20),
    peerId: '\x22'.repeat(20),
    address: ipv4,
    port: 6_881,
    leftBytes: 2 ** 32 + 4,
    event: 'started',
    wanted: 10,
    transport: 'plain',
    sameFamily: true,
  });
});

test('answers are those of BEP 15, byte by byte', () => {
  const head = '0000000' as const;
  expect(hexOf(writeConnect(into, 0x0a0b0c0d, '\x01\x02\x03\x04\x05\x06\x07\x08'))).toBe(
    `${head}00a0b0c0d0102030405060708`,
  );
  const peer = { peerId: '', leftBytes: 0, lastSeenMs: 0, transport: 'plain' as const };
  const counts = { seeds: 2, downloaders: 3, completed: 4 };
  const peers = [{ ...peer, endpoint: packEndpoint(ipv4, 258) }];
  const told = { ...counts, peers, intervalMs: 29_001 };
  expect(hexOf(writeAnnounce(into, 1, told))).toBe(
    `${head}1${head}1${head.slice(1)}1e${head}3${head}2c00002010102`,
  );
  expect(hexOf(writeScrape(into, 1, [counts, undefined]))).toBe(
    `${head}2${head}1${head}2${head}4${head}3${'0'.repeat(24)}`,
  );
  expect(hexOf(writeError(into, 1, 'no'))).toBe(`${head}3${head}16e6f`);
});

test('what follows an announce (BEP 41) changes nothing', () => {
  const options = Buffer.from([0x01, 0x02, 0x03, 0x2f, 0x61, 0x62, 0x00, 0xff]);
  const plain = readAnnounce(announceDatagram(1n, 1), ipv4, limits);
  expect(readAnnounce(announceDatagram(1n, 1, { options }), ipv4, limits)).toEqual(plain);
});

test('no more peers are wanted than an answer has room for, nor than are told', () => {
  const wanted = (number: number, address = ipv4) =>
    readAnnounce(announceDatagram(1n, 1, { wanted: number }), address, limits).wanted;
  expect(wanted(-1)).toBe(50);
  expect(wanted(0)).toBe(0);
  expect(wanted(2 ** 31 - 1)).toBe(200);
  expect(20 + wanted(200, ipv6) * 18).toBeLessThanOrEqual(maxAnswerBytes);
});

test('what a client does not know yet is a large number', () => {
  const left = 2n ** 64n - 1n;
  const { leftBytes } = readAnnounce(announceDatagram(1n, 1, { left }), ipv4, limits);
  expect(leftBytes).toBe(Number.MAX_SAFE_INTEGER);
});

test('an announce or a scrape that is none is refused as the fault of who sent it', () => {
  const announce = (datagram: Buffer) => () => readAnnounce(datagram, ipv4, limits);
  expect(announce(announceDatagram(1n, 1).subarray(0, 97))).toThrow(/98 bytes, this has 97/);
  expect(announce(announceDatagram(1n, 1, { event: 4 }))).toThrow(/^event/);
  expect(announce(announceDatagram(1n, 1, { port: 0 }))).toThrow(/^port/);
  const scrape = (hashBytes: number) => () =>
    readScrape(Buffer.concat([requestHead(1n, 2, 1), Buffer.alloc(hashBytes)]));
  for (const hashBytes of [0, 19, 21, 75 * 20]) expect(scrape(hashBytes)).toThrow(PeerError);
  expect(scrape(74 * 20)()).toHaveLength(74);
});

test('any datagram is read, refused or passed over', () => {
  const started = fc.constantFrom('', '0000041727101980', `${'00'.repeat(8)}00000001`);
  fc.assert(
    fc.property(started, fc.uint8Array({ maxLength: 200 }), (start, rest) => {
      const datagram = Buffer.concat([bytes(start), rest]);
      readHead(datagram);
      for (const read of [readScrape, (data: Buffer) => readAnnounce(data, ipv6, limits)]) {
        try {
          read(datagram);
        } catch (error) {
          expect(error).toBeInstanceOf(PeerError);
        }
      }
    }),
  );
});
