import type { ExchangeInit } from '../../src/swarm/index.ts';
import {
  Identity,
  makePeerCertificate,
  newTicketKeys,
  tlsOptions,
  type PeerTlsOptions,
} from '../../src/trust/index.ts';

/** Who a host of a sealed swarm is. */
export interface SealedHost {
  readonly peerId: string;
  readonly tls: PeerTlsOptions;
}

/** A host that nobody knows yet, with an identity of its own. */
export async function newSealedHost(): Promise<SealedHost> {
  const identity = Identity.generate();
  const certificate = await makePeerCertificate(identity, { now: new Date() });
  return { peerId: identity.peerId, tls: tlsOptions(certificate, newTicketKeys()) };
}

/** What seals an exchange of `host`, whose fleet is itself and `others`. */
export const sealOf = (
  host: SealedHost,
  ...others: readonly SealedHost[]
): NonNullable<ExchangeInit['seal']> => ({
  peerId: host.peerId,
  tls: host.tls,
  members: new Set([host, ...others].map(({ peerId }) => peerId)),
  onChange: undefined,
  onRenewal: undefined,
});
