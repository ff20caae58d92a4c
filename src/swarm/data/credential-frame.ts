import { PeerError } from '../../errors.ts';
import { maxCredentialLength } from '../../trust/sealed.ts';

/**
 * The one frame that each side of a sealed connection sends before any byte of BitTorrent, where the
 * fleet has a key: magic, version, length of the credential (two bytes, big endian), credential.
 */
const magic = Buffer.from('SGCR\x01', 'latin1');
const headBytes = magic.length + 2;

/** No text of a credential has other characters, so length and bytes are the same. */
export function encodeCredentialFrame(credential: string): Buffer {
  const head = Buffer.alloc(headBytes);
  magic.copy(head);
  head.writeUInt16BE(credential.length, magic.length);
  return Buffer.concat([head, Buffer.from(credential, 'latin1')]);
}

/** Puts a credential frame together from what a connection brings, and takes nothing else. */
export class CredentialFrameReader {
  #bytes = Buffer.alloc(0);

  /**
   * Takes what the connection brought.
   * @returns the credential, once it is whole; undefined before
   * @throws PeerError PEER_PROTOCOL for anything else, as soon as that can be told: also for what
   *   comes after the frame, since nobody may speak on before he has seen the other's
   */
  push(chunk: Buffer): string | undefined {
    const whole = headBytes + maxCredentialLength;
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, whole + 1 - this.#bytes.length)]);
    const bytes = this.#bytes;
    const seen = bytes.subarray(0, magic.length);
    if (!seen.equals(magic.subarray(0, seen.length))) {
      throw refused(
        'the peer shows no credential: it knows members by a file, or is no Starling host',
      );
    }
    if (bytes.length < headBytes) return undefined;
    const length = bytes.readUInt16BE(magic.length);
    if (length === 0 || length > maxCredentialLength) {
      throw refused(`the peer shows a credential of ${length} bytes`);
    }
    const end = headBytes + length;
    if (bytes.length > end) throw refused('the peer speaks before it has seen our credential');
    return bytes.length < end ? undefined : bytes.toString('latin1', headBytes, end);
  }
}

const refused = (message: string): PeerError => new PeerError('PEER_PROTOCOL', message);
