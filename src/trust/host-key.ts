import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';
import { base58btc } from 'multiformats/bases/base58';

/** The public key by which a host is known. */
export interface HostKey {
  /** The libp2p peer id, in base58: `12D3Koo…`. */
  readonly peerId: string;
  /** Whether a signature over a message is by this key. False also for what is no signature. */
  verifies(message: Uint8Array, signature: Uint8Array): boolean;
}

/** libp2p peer ids specification, "Keys": the types, as they are numbered on the wire. */
const keyType = { rsa: 0, ed25519: 1, secp256k1: 2, ecdsa: 3 } as const;

/** Keys in SubjectPublicKeyInfo (RFC 5280, 4.1) begin so; the raw key follows. */
const ed25519Prefix = Buffer.from('302a300506032b6570032100', 'hex');
const secp256k1Prefix = Buffer.from('3036301006072a8648ce3d020106052b8104000a032200', 'hex');

/** A P-521 key would need a length of two bytes. */
const ecdsaCurves = new Set(['prime256v1', 'secp384r1']);

/** libp2p peer ids specification, "Peer IDs": an encoded key up to this length is its own id. */
const maxInlineBytes = 42;
const identityCode = 0x00;
const sha256Code = 0x12;

/** Field 1, a varint; field 2, bytes (protocol buffers, "Message structure"). */
const typeField = 0x08;
const dataField = 0x12;
/** Longer ones are RSA keys, or nothing: a length of one byte is enough for the others. */
const maxDataBytes = 0x7f;

/**
 * Reads a public key as libp2p writes it: a protocol buffer in its one deterministic form (libp2p
 * peer ids specification, "Keys"). Ed25519 is what our own hosts have; foreign nodes may have ECDSA
 * or secp256k1. RSA is refused: its verification costs what whoever made the key wants it to cost.
 * @throws Error when it is none of these
 */
export function parseHostKey(encoded: Uint8Array): HostKey {
  const [typeTag, type, dataTag, length] = encoded;
  const data = encoded.subarray(4);
  if (typeTag !== typeField || type === undefined) throw new Error('its host key has no type');
  if (type === keyType.rsa) throw new Error('its host key is an RSA key, which is not supported');
  if (dataTag !== dataField || length !== data.length || length > maxDataBytes) {
    throw new Error('its host key is not encoded as the libp2p specification says');
  }
  const key = publicKeyOf(type, data);
  const digest = type === keyType.ed25519 ? null : 'sha256';
  return {
    peerId: peerIdOfEncodedKey(encoded),
    verifies: (message, signature) => verify(digest, message, key, signature),
  };
}

/** A raw ed25519 public key as libp2p encodes it. */
export const encodeHostKey = (publicKey: Uint8Array): Buffer =>
  Buffer.concat([
    Buffer.from([typeField, keyType.ed25519, dataField, publicKey.length]),
    publicKey,
  ]);

/** The peer id of the host that has this ed25519 public key: `12D3Koo…`. */
export const peerIdOfKey = (publicKey: Uint8Array): string =>
  peerIdOfEncodedKey(encodeHostKey(publicKey));

/** Whether a text is a peer id in its base58 form, of a key that `parseHostKey` can read. */
export function isPeerId(text: string): boolean {
  if (text.length > 64) return false;
  let bytes: Uint8Array;
  try {
    bytes = base58btc.baseDecode(text);
  } catch {
    return false;
  }
  if (base58btc.baseEncode(bytes) !== text) return false;
  const [code, length, typeTag, type, dataTag, dataLength] = bytes;
  if (length !== bytes.length - 2) return false;
  if (code === sha256Code) return length === 32;
  const known =
    (type === keyType.ed25519 && dataLength === 32) ||
    (type === keyType.secp256k1 && dataLength === 33);
  return code === identityCode && typeTag === typeField && dataTag === dataField && known
    ? length === 4 + dataLength
    : false;
}

/**
 * The key that a peer id holds.
 * @throws Error when it holds none: it is the hash of a key, or no peer id
 */
export function hostKeyOfPeerId(peerId: string): HostKey {
  const [code] = isPeerId(peerId) ? base58btc.baseDecode(peerId) : [];
  if (code !== identityCode) throw new Error(`"${peerId}" is no peer id that holds a key`);
  return parseHostKey(base58btc.baseDecode(peerId).subarray(2));
}

/** Whether a text is the id of a fleet: the peer id of an ed25519 key, `12D3Koo…`. */
export const isFleetId = (text: string): boolean => isPeerId(text) && text.startsWith('12D3KooW');

function publicKeyOf(type: number, data: Uint8Array): KeyObject {
  if (type === keyType.ed25519 && data.length === 32) {
    return fromSpki(Buffer.concat([ed25519Prefix, data]));
  }
  if (type === keyType.secp256k1 && data.length === 33) {
    return fromSpki(Buffer.concat([secp256k1Prefix, data]));
  }
  if (type === keyType.ecdsa) {
    const key = fromSpki(data);
    const isKnown = ecdsaCurves.has(key.asymmetricKeyDetails?.namedCurve ?? '');
    // One key has one encoding, or it would have several ids.
    if (isKnown && key.export({ type: 'spki', format: 'der' }).equals(data)) return key;
  }
  throw new Error(`its host key is of an unknown type (${type}), or of a wrong length`);
}

function fromSpki(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new Error('its host key is not a key', { cause });
  }
}

function peerIdOfEncodedKey(encoded: Uint8Array): string {
  const isInline = encoded.length <= maxInlineBytes;
  const digest = isInline ? encoded : hash('sha256', encoded, 'buffer');
  const head = [isInline ? identityCode : sha256Code, digest.length];
  return base58btc.baseEncode(Buffer.concat([Buffer.from(head), digest]));
}
