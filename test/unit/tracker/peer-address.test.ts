import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  endpointAddress,
  endpointPort,
  formatAddress,
  packAddress,
  packEndpoint,
} from '../../../tracker/peer-address.ts';

const hexOf = (text: string) => Buffer.from(packAddress(text) ?? '', 'latin1').toString('hex');

test('addresses are packed as they go on the wire', () => {
  expect(hexOf('192.0.2.255')).toBe('c00002ff');
  expect(hexOf('::1')).toBe('00000000000000000000000000000001');
  expect(hexOf('::')).toBe('00000000000000000000000000000000');
  expect(hexOf('2001:db8::8:800:200c:417a')).toBe('20010db80000000000080800200c417a');
  expect(hexOf('1:2:3:4:5:6:7:8')).toBe('00010002000300040005000600070008');
  expect(hexOf('64:ff9b::192.0.2.33')).toBe('0064ff9b0000000000000000c0000221');
});

test('an IPv4 address in IPv6 dress is IPv4, and a zone is cut off', () => {
  expect(hexOf('::ffff:192.0.2.1')).toBe('c0000201');
  expect(hexOf('::ffff:c000:201')).toBe('c0000201');
  expect(hexOf('fe80::1%eth0')).toBe('fe800000000000000000000000000001');
});

test('what is no address is not packed', () => {
  for (const text of ['', 'localhost', '1.2.3', '1.2.3.4.5', ':::', '1.2.3.4%a']) {
    expect(packAddress(text)).toBeUndefined();
  }
});

test('an endpoint gives its address and port back', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65_535 }), (ip, port) => {
      const packed = packAddress(ip) ?? '';
      const endpoint = packEndpoint(packed, port);
      expect(endpoint).toHaveLength(packed.length + 2);
      expect(packAddress(endpointAddress(endpoint))).toBe(packed);
      expect(formatAddress(packed)).toBe(endpointAddress(endpoint));
      expect(endpointPort(endpoint)).toBe(port);
    }),
  );
});
