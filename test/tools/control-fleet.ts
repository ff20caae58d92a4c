import { onTestFinished, test as base, vi } from 'vitest';
import {
  ControlNode,
  systemClock,
  type Clock,
  type ControlNodeInit,
  type CredentialVerifier,
} from '../../src/control/index.ts';
import { PeerError } from '../../src/errors.ts';
import { Identity, type CredentialClaims } from '../../src/trust/sealed.ts';

/** Waits for what nobody tells of, also on a busy machine. */
export const waitFor = <T>(callback: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(callback, { timeout: 20_000, interval: 10 });

/** A fleet whose credentials are simple, whose revocations hold at once, and whose time can be put forward. */
export class ControlFleet implements CredentialVerifier {
  readonly revoked = new Set<string>();
  aheadMs = 0;
  readonly clock: Clock = {
    now: () => systemClock.now() + this.aheadMs,
    uptime: () => systemClock.uptime() + this.aheadMs,
  };
  readonly #key = Identity.generate();

  get id(): string {
    return this.#key.peerId;
  }

  issue(peerId: string, init: Partial<CredentialClaims> & { ttlMs?: number } = {}): string {
    const { ttlMs = 600_000, ...others } = init;
    const claims: CredentialClaims = {
      peerId,
      roles: ['host'],
      apps: ['*'],
      labels: {},
      issuedAt: new Date(this.clock.now()).toISOString(),
      expiresAt: new Date(this.clock.now() + ttlMs).toISOString(),
      ...others,
    };
    const payload = Buffer.from(JSON.stringify(claims));
    return `${payload.toString('base64url')}.${this.#sign(payload)}`;
  }

  verify(text: string, peerId: string): CredentialClaims {
    const [encoded = '', signature] = text.split('.');
    const payload = Buffer.from(encoded, 'base64url');
    if (this.#sign(payload) !== signature) throw refusal('it is not of this fleet');
    const claims = JSON.parse(payload.toString()) as CredentialClaims;
    if (claims.peerId !== peerId) throw refusal(`it is of ${claims.peerId}`);
    if (Date.parse(claims.expiresAt) <= this.clock.now()) throw refusal('it has expired');
    if (this.revoked.has(peerId)) throw refusal('it is revoked');
    return claims;
  }

  #sign = (payload: Uint8Array): string =>
    Buffer.from(this.#key.sign(payload)).toString('base64url');
}

/** A test with a fleet of its own. */
export const test = base.extend<{ readonly fleet: ControlFleet }>({
  fleet: async ({ task: _ }, use) => use(new ControlFleet()),
});

/** For what nobody breaks off. */
export const signal: AbortSignal = new AbortController().signal;

const refusal = (why: string): PeerError =>
  new PeerError('PEER_NOT_MEMBER', `the credential is not good: ${why}`);

export type TestNodeInit = Partial<ControlNodeInit> & {
  readonly fleet: ControlFleet;
  readonly identity?: Identity;
};

/** A member that listens on a free port of this machine, until the test is over. */
export async function openMember(init: TestNodeInit): Promise<ControlNode> {
  const { fleet, identity = Identity.generate(), ...others } = init;
  return openNode({ fleet, identity, credential: fleet.issue(identity.peerId), ...others });
}

/** The same without a credential. */
export async function openNode(init: TestNodeInit): Promise<ControlNode> {
  const { fleet, identity = Identity.generate(), ...others } = init;
  const node = await ControlNode.open(
    { identity, verifier: fleet, clock: fleet.clock },
    { role: 'host', listen: ['/ip4/127.0.0.1/tcp/0'], ...others },
  );
  onTestFinished(() => node[Symbol.asyncDispose]());
  return node;
}

/** Where a node is reached. */
export function addressOf(node: ControlNode): string {
  const [address] = node.addresses;
  if (address === undefined) throw new Error('the node does not listen');
  return address;
}
