import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  openStore,
  openStoreForReading,
  parseStoreUrl,
  storeUrlIn,
} from '../../../../tracker/store/index.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

test('a URL says where a store is', () => {
  expect(parseStoreUrl('sqlite:/var/lib/x y/store.db')).toEqual({
    kind: 'sqlite',
    path: '/var/lib/x y/store.db',
  });
  expect(parseStoreUrl('etcd://a,b.example:1234,[::1]:99/fleet/one/')).toEqual({
    kind: 'etcd',
    hosts: ['a:2379', 'b.example:1234', '[::1]:99'],
    prefix: '/fleet/one/',
    tls: undefined,
  });
  expect(parseStoreUrl('etcds://a?ca=/ca.pem&cert=c&key=k')).toEqual({
    kind: 'etcd',
    hosts: ['a:2379'],
    prefix: '/starling/',
    tls: { ca: '/ca.pem', cert: 'c', key: 'k' },
  });
});

test.each([
  'sqlite:',
  'store.db',
  'etcd://',
  'etcd://a:0',
  'etcd://a:70000',
  'etcd://a,,b',
  'etcd://user:word@a',
  'etcd://a/~',
  'etcd://a?ca=x',
  'etcds://a',
  'etcds://a?ca=x&cert=y',
  'etcds://a?ca=x&password=y',
])('%s is no store', (url) => {
  expect(() => parseStoreUrl(url)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('a store is opened by its URL, and read beside', async () => {
  const url = storeUrlIn(join(await temporaryDirectory(), 'not', 'there', 'yet'));
  await using store = await openStore(url);
  await store.commit({ put: [{ key: 'a', value: '1' }] });
  await using reader = await openStoreForReading(url);
  expect(await reader.get('a')).toMatchObject({ value: '1' });
});
