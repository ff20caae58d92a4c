import type { Endpoint } from '../../src/swarm/index.ts';

export type { Endpoint };

/** An IPv4 peer in six bytes (BEP 23). */
export function compactPeer({ host, port }: Endpoint): Buffer {
  const bytes = Buffer.alloc(6);
  host.split('.').forEach((part, index) => bytes.writeUInt8(Number(part), index));
  bytes.writeUInt16BE(port, 4);
  return bytes;
}
