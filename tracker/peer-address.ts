import { isIPv4, isIPv6 } from 'node:net';

/**
 * Addresses as *binary strings*, one character a byte: 4 for IPv4, 16 for IPv6. It is the form that
 * compact peer lists have (BEP 7, BEP 23), and the smallest that can be the key of a map.
 */
const mappedPrefix = '\0'.repeat(10) + '\xff\xff';

/**
 * Packs an address as sockets give it. An IPv4 address in IPv6 dress (`::ffff:192.0.2.1`) becomes
 * IPv4, a zone (`%eth0`) is cut off. Undefined when it is no address.
 */
export function packAddress(text: string): string | undefined {
  if (isIPv4(text)) return packIPv4(text);
  const bare = text.split('%', 1)[0] ?? '';
  if (!isIPv6(bare)) return undefined;
  const packed = packIPv6(bare);
  return packed.startsWith(mappedPrefix) ? packed.slice(mappedPrefix.length) : packed;
}

const packIPv4 = (text: string): string => String.fromCharCode(...text.split('.').map(Number));

function packIPv6(text: string): string {
  const [head = '', tail] = text.split('::', 2);
  const front = packGroups(head);
  if (tail === undefined) return front;
  const back = packGroups(tail);
  return front + '\0'.repeat(16 - front.length - back.length) + back;
}

function packGroups(text: string): string {
  if (text === '') return '';
  let packed = '';
  for (const group of text.split(':')) {
    if (group.includes('.')) {
      packed += packIPv4(group);
    } else {
      const value = Number.parseInt(group, 16);
      packed += String.fromCharCode(value >> 8, value & 0xff);
    }
  }
  return packed;
}

/** The text of a packed address, IPv6 in its canonical short form. */
export function formatAddress(packed: string): string {
  const bytes = Buffer.from(packed, 'latin1');
  if (bytes.length === 4) return bytes.join('.');
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** Address and port as compact peer lists have them: 6 bytes, or 18 for IPv6. */
export const packEndpoint = (address: string, port: number): string =>
  address + String.fromCharCode(port >> 8, port & 0xff);

export const endpointAddress = (endpoint: string): string => formatAddress(endpoint.slice(0, -2));

export const endpointPort = (endpoint: string): number =>
  endpoint.charCodeAt(endpoint.length - 2) * 256 + endpoint.charCodeAt(endpoint.length - 1);
