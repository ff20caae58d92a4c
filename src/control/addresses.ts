import { isIP } from 'node:net';
import { CODE_IP4, CODE_IP6, CODE_P2P, multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { ConfigError } from '../errors.ts';
import { isPeerId } from '../trust/sealed.ts';

/** Where a peer is, and who must be there. */
export interface PeerAddress {
  readonly peerId: string;
  /** It ends with the peer id. */
  readonly multiaddr: Multiaddr;
}

/**
 * Reads the address of a peer: `HOST:PORT/PEERID`, or a multiaddr like
 * `/dns/tracker.example/tcp/7000/p2p/12D3Koo…`. Without a peer id it would be an address that anybody
 * can sit at, so it must have one.
 * @throws ConfigError CONFIG_INVALID
 */
export function parsePeerAddress(text: string): PeerAddress {
  try {
    const address = multiaddr(text.startsWith('/') ? text : toMultiaddr(text));
    const peerId = address.getComponents().findLast(({ code }) => code === CODE_P2P)?.value;
    if (peerId === undefined || !isPeerId(peerId)) throw new Error('it names no peer id');
    return { peerId, multiaddr: address };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      'CONFIG_INVALID',
      `"${text.slice(0, 300)}" is not the address of a peer: ${why}. Write HOST:PORT/PEERID, or a multiaddr that ends in /p2p/PEERID`,
      { cause, evidence: { actual: text.slice(0, 300) } },
    );
  }
}

function toMultiaddr(text: string): string {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]]+)):(\d{1,5})\/([^/]+)$/.exec(text);
  if (match === null) throw new Error('it is not of the form HOST:PORT/PEERID');
  const [, inBrackets, plain, port = '', peerId = ''] = match;
  const host = inBrackets ?? plain ?? '';
  const kind = { 0: 'dns', 4: 'ip4', 6: 'ip6' }[isIP(host)] ?? 'dns';
  return `/${kind}/${host}/tcp/${port}/p2p/${peerId}`;
}

/** The IP address of a connection's other end, without its port. */
export const ipOf = (address: Multiaddr): string =>
  address.getComponents().find(({ code }) => code === CODE_IP4 || code === CODE_IP6)?.value ??
  'unknown';

/**
 * The multiaddr to listen at.
 * @throws ConfigError CONFIG_INVALID for a name: libp2p listens at IP addresses alone
 */
export function listenAddress(host: string, port: number): string {
  const address = host === 'localhost' ? '127.0.0.1' : host;
  const version = isIP(address);
  if (version !== 0) return `/ip${version}/${address}/tcp/${port}`;
  throw new ConfigError(
    'CONFIG_INVALID',
    `the control plane can't listen at "${host}": give an IP address`,
    { evidence: { host } },
  );
}
