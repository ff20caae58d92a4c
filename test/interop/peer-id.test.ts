import { publicKeyFromRaw } from '@libp2p/crypto/keys';
import { peerIdFromPublicKey } from '@libp2p/peer-id';
import { expect, test } from 'vitest';
import { Identity } from '../../src/trust/sealed.ts';

test('the peer id of an identity is the one that js-libp2p knows it by', () => {
  for (let count = 0; count < 50; count++) {
    const { peerId, publicKey } = Identity.generate();
    expect(peerIdFromPublicKey(publicKeyFromRaw(publicKey)).toString()).toBe(peerId);
  }
});
