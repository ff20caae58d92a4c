import { sign, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { PeerError } from '../../../src/errors.ts';
import { Identity, makePeerCertificate } from '../../../src/trust/index.ts';
import { maxCertificateBytes, peerIdOfCertificate } from '../../../src/trust/peer-verification.ts';
import {
  der,
  ed25519Key,
  encodedKey,
  foreignHost,
  forgeCertificate,
  honestSignedKey,
  libp2pExtension,
  newCertificateKeys,
  resigned,
  signedKey,
  signedMessage,
  unknownExtension,
  type CertificateKeys,
} from './certificate-forge.ts';
import { specificationVectors } from './specification-vectors.ts';

const now = new Date();
let identity: Identity;
let keys: CertificateKeys;
let certificate: Buffer;

beforeAll(async () => {
  identity = Identity.generate();
  keys = await newCertificateKeys();
  certificate = new X509Certificate((await makePeerCertificate(identity, { now })).certificatePem)
    .raw;
});

function refusalOf(bytes: Uint8Array, at = now): PeerError {
  try {
    peerIdOfCertificate(bytes, { now: at });
  } catch (error) {
    expect(error).toBeInstanceOf(PeerError);
    const refusal = error as PeerError;
    expect(refusal.code).toBe('PEER_IDENTITY');
    return refusal;
  }
  throw new Error('it was not refused');
}

/** A certificate that is honest but for the extension's value. */
const withSignedKey = (value: Uint8Array) =>
  forgeCertificate({ keys, extensions: [libp2pExtension(value)] });

test('a certificate that a host made tells its peer id', () => {
  expect(peerIdOfCertificate(certificate, { now })).toBe(identity.peerId);
});

test.each(['ed25519', 'ecdsa', 'secp256k1'] as const)(
  'the certificate of an %s host in the specification tells its peer id',
  (name) => {
    const vector = specificationVectors[name];
    expect(peerIdOfCertificate(Buffer.from(vector.certificate, 'hex'), { now })).toBe(
      vector.peerId,
    );
  },
);

test('the certificate in the specification that another host signed is refused', () => {
  const bytes = Buffer.from(specificationVectors.mismatched.certificate, 'hex');
  expect(refusalOf(bytes).message).toMatch(/pretends to be another host/);
});

describe('dates', () => {
  const dated = () => {
    const [notBefore, notAfter] = [new Date('2030-01-01T00:00:00Z'), new Date('2030-02-01')];
    const extensions = [libp2pExtension(honestSignedKey(identity, keys))];
    return forgeCertificate({ keys, notBefore, notAfter, extensions });
  };
  test('expired', async () => {
    const refusal = refusalOf(await dated(), new Date('2030-02-01T00:00:01Z'));
    expect(refusal.message).toMatch(/has expired.*2030-02-01T00:00:00.*clocks/);
  });
  test('not yet valid', async () => {
    const refusal = refusalOf(await dated(), new Date('2029-12-31T23:59:59Z'));
    expect(refusal.message).toMatch(/is not valid yet/);
  });
  test('good from the first to the last second', async () => {
    for (const at of ['2030-01-01T00:00:00Z', '2030-02-01T00:00:00Z']) {
      expect(peerIdOfCertificate(await dated(), { now: new Date(at) })).toBe(identity.peerId);
    }
  });
  test('a clock that says nothing', () => {
    refusalOf(certificate, new Date(NaN));
  });
});

describe('the libp2p extension', () => {
  const honest = () => honestSignedKey(identity, keys);

  test('is missing', async () => {
    expect(refusalOf(await forgeCertificate({ keys, extensions: [] })).message).toMatch(
      /no libp2p extension/,
    );
    const extensions = [unknownExtension(false)];
    expect(refusalOf(await forgeCertificate({ keys, extensions })).message).toMatch(
      /no libp2p extension/,
    );
  });
  test('is there twice', async () => {
    const extensions = [libp2pExtension(honest()), libp2pExtension(honest())];
    expect(refusalOf(await forgeCertificate({ keys, extensions })).message).toMatch(/twice/);
  });
  test('may be critical, and not the first', async () => {
    const extensions = [unknownExtension(false), libp2pExtension(honest(), true)];
    const bytes = await forgeCertificate({ keys, extensions });
    expect(peerIdOfCertificate(bytes, { now })).toBe(identity.peerId);
  });
  test('stands beside an unknown critical one', async () => {
    for (const extensions of [
      [libp2pExtension(honest()), unknownExtension(true)],
      [unknownExtension(true), libp2pExtension(honest())],
    ]) {
      expect(refusalOf(await forgeCertificate({ keys, extensions })).message).toMatch(/critical/);
    }
  });
  test('is signed by another host', async () => {
    const stranger = Identity.generate();
    const value = signedKey(ed25519Key(identity), stranger.sign(signedMessage(keys.publicKeyInfo)));
    const refusal = refusalOf(await withSignedKey(value));
    expect(refusal.message).toMatch(/pretends to be another host/);
    expect(refusal.evidence).toEqual({ claimed: identity.peerId });
  });
  test('is that of another certificate of the same host', async () => {
    const value = honestSignedKey(identity, await newCertificateKeys());
    expect(refusalOf(await withSignedKey(value)).message).toMatch(/pretends/);
  });
  test('is signed without the prefix', async () => {
    const value = signedKey(ed25519Key(identity), identity.sign(keys.publicKeyInfo));
    expect(refusalOf(await withSignedKey(value)).message).toMatch(/pretends/);
  });
  test('has something else in it, or something more', async () => {
    const [key, signature] = [
      ed25519Key(identity),
      identity.sign(signedMessage(keys.publicKeyInfo)),
    ];
    const parts = [der(0x04, key), der(0x04, signature)];
    for (const value of [
      Buffer.from([]),
      Buffer.from('garbage'),
      Buffer.concat([honest(), Buffer.from([0])]),
      der(0x30, ...parts, der(0x05)),
      der(0x31, ...parts),
      der(0x30, ...parts.toReversed()),
      der(0x30, ...parts.slice(0, 1)),
      signedKey(key, Buffer.from([])),
      signedKey(key, signature.subarray(1)),
    ]) {
      refusalOf(await withSignedKey(value));
    }
  });
});

describe('the host key', () => {
  test.each(['p256', 'secp256k1'] as const)('of a foreign node may be %s', async (kind) => {
    const { privateKey, hostKey } = foreignHost(kind);
    const value = signedKey(hostKey, sign('sha256', signedMessage(keys.publicKeyInfo), privateKey));
    expect(peerIdOfCertificate(await withSignedKey(value), { now })).toMatch(/^(Qm|16Uiu2HA)/);
  });
  test.each(['p521', 'rsa'] as const)('of a foreign node may not be %s', async (kind) => {
    const { privateKey, hostKey } = foreignHost(kind);
    const value = signedKey(hostKey, sign('sha256', signedMessage(keys.publicKeyInfo), privateKey));
    expect(refusalOf(await withSignedKey(value)).message).toMatch(/its host key/);
  });
  test('has one encoding only', async () => {
    const { publicKey } = identity;
    const signature = identity.sign(signedMessage(keys.publicKeyInfo));
    for (const hostKey of [
      Buffer.from([]),
      publicKey,
      encodedKey(4, publicKey),
      encodedKey(1, publicKey.subarray(1)),
      encodedKey(2, publicKey),
      encodedKey(3, publicKey),
      Buffer.concat([ed25519Key(identity), Buffer.from([0])]),
      Buffer.concat([Buffer.from([0x08, 0x81, 0x00, 0x12, 32]), publicKey]),
      Buffer.concat([Buffer.from([0x12, 32]), publicKey, Buffer.from([0x08, 1])]),
    ]) {
      refusalOf(await withSignedKey(signedKey(hostKey, signature)));
    }
  });
});

describe('the certificate', () => {
  const honest = async () =>
    forgeCertificate({ keys, extensions: [libp2pExtension(honestSignedKey(identity, keys))] });

  test('is not signed by its own key', async () => {
    const bytes = await resigned(await honest(), await newCertificateKeys(), (signed) => signed);
    expect(refusalOf(bytes).message).toMatch(/not signed by its own key/);
  });
  test('is the same when it is signed again, so that what follows is refused for its own sake', async () => {
    const bytes = await resigned(await honest(), keys, (signed) => signed);
    expect(peerIdOfCertificate(bytes, { now })).toBe(identity.peerId);
  });
  test('has a unique id of its subject', async () => {
    const bytes = await resigned(await honest(), keys, (signed) => {
      const content = signed.subarray(signed.readUInt8(1) === 0x82 ? 4 : 3);
      const at = content.lastIndexOf(keys.publicKeyInfo) + keys.publicKeyInfo.length;
      const id = der(0x82, Buffer.from([0, 1]));
      return der(0x30, content.subarray(0, at), id, content.subarray(at));
    });
    expect(refusalOf(bytes).message).toMatch(/unique id/);
  });
  test('is signed by SHA-1', async () => {
    const extensions = [libp2pExtension(honestSignedKey(identity, keys))];
    const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-1' };
    const bytes = await forgeCertificate({ keys, extensions, signingAlgorithm });
    expect(refusalOf(bytes).message).toMatch(/deprecated/);
  });
  test('is of an RSA key', async () => {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    const rsa = await newCertificateKeys({
      ...algorithm,
      modulusLength: 2_048,
      publicExponent: new Uint8Array([1, 0, 1]),
    });
    const extensions = [libp2pExtension(honestSignedKey(identity, rsa))];
    refusalOf(await forgeCertificate({ keys: rsa, extensions, signingAlgorithm: algorithm }));
  });
  test('is huge, garbage, cut short, PEM, or followed by something', () => {
    expect(refusalOf(Buffer.alloc(maxCertificateBytes + 1, 0x30)).message).toMatch(/4097 bytes/);
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(1_000),
      Buffer.from('garbage'),
      certificate.subarray(0, -1),
      Buffer.concat([certificate, Buffer.from([0])]),
      Buffer.concat([certificate, certificate]),
      Buffer.from(new X509Certificate(certificate).toString()),
    ]) {
      refusalOf(bytes);
    }
  });
});

/** Undefined when it is refused. */
function peerIdOrRefusal(bytes: Uint8Array): string | undefined {
  try {
    return peerIdOfCertificate(bytes, { now });
  } catch (error) {
    expect(error).toBeInstanceOf(PeerError);
    return undefined;
  }
}

test('with any one bit changed, a certificate is refused or tells the same peer id', () => {
  for (let bit = 0; bit < certificate.length * 8; bit++) {
    const changed = Buffer.from(certificate);
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect([undefined, identity.peerId]).toContain(peerIdOrRefusal(changed));
  }
});

test('with anything changed, a certificate is refused or tells the same peer id', () => {
  const change = fc.record({
    at: fc.nat(certificate.length - 1),
    removed: fc.nat(40),
    added: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      let bytes: Buffer = certificate;
      for (const { at, removed, added } of changes) {
        bytes = Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)]);
      }
      expect([undefined, identity.peerId]).toContain(peerIdOrRefusal(bytes));
    }),
    { numRuns: 2_000 },
  );
});

test('any bytes at all are refused as the fault of who sent them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5_000 }), (bytes) => {
      expect(peerIdOrRefusal(bytes)).toBeUndefined();
    }),
  );
});
