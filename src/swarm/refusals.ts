import { PeerError } from '../errors.ts';

/** How an open connection ends for this side when the other closes it. */
const hangUps: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

export const notMemberAnyMore = (peerId: string): PeerError =>
  new PeerError('PEER_NOT_MEMBER', `${peerId} is not a member any more`, { evidence: { peerId } });

/** That this host is not among the members that it knows itself, if so. Without an identity it can't be. */
export function whyOutcast(
  peerId: string | undefined,
  members: ReadonlySet<string>,
): string | undefined {
  if (peerId === undefined || members.has(peerId)) return undefined;
  return `this host, ${peerId}, is not in its members file, so others refuse it`;
}

/**
 * Why a peer that was connected to has not answered the handshake. A sealed peer that refuses this host
 * closes without a word: in TLS 1.3 who connects is done before the other side has looked at his
 * certificate.
 * @param ourPeerId of the one who connected, if it was to be sealed
 */
export function whyUnanswered(
  address: string,
  error: Error | undefined,
  ourPeerId: string | undefined,
): string {
  const code = error instanceof PeerError ? error.evidence.code : undefined;
  if (error !== undefined && !hangUps.has(String(code))) return error.message;
  const closed = `${address} closed the connection before it answered`;
  return ourPeerId === undefined
    ? closed
    : `${closed}: perhaps this host, ${ourPeerId}, is no member there`;
}
