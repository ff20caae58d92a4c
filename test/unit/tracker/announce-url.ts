/** Escapes every byte, as a cautious client does. */
export const escapeBytes = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('');

/** The path of an announce, with the given fields in place of its own; undefined leaves one out. */
export function announceUrl(changes: Readonly<Record<string, string | undefined>> = {}): string {
  const fields: Record<string, string | undefined> = {
    info_hash: 'h'.repeat(20),
    peer_id: 'p'.repeat(20),
    port: '6881',
    uploaded: '0',
    downloaded: '0',
    left: '5',
    ...changes,
  };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return `/announce?${given.map(([name, value]) => `${name}=${value ?? ''}`).join('&')}`;
}
