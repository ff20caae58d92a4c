import { expect, test } from 'vitest';
import { SealedMembers } from '../../../src/swarm/sealed-members.ts';
import type { DataCommand } from '../../../src/swarm/data/data-protocol.ts';
import { clockSkewMs, Identity } from '../../../src/trust/index.ts';
import { FleetKey } from '../../tools/fleet-key.ts';

const fleet = new FleetKey();
const { peerId } = Identity.generate();
const over = { expiresInMs: -2 * clockSkewMs };

/** How the main thread of a host knows its fleet, and what its data planes were told. */
function membersOf(membership = fleet.membership({ peerId })) {
  const told: DataCommand[] = [];
  const lanes = { postAll: (command: DataCommand) => told.push(command) };
  return { membership, told, members: new SealedMembers({ lanes }, { peerId, fleet: membership }) };
}

test('a connection comes again at once only where a new credential can do better', () => {
  const { membership, members } = membersOf();
  const good = membership.claims;
  const ended = fleet.membership({ peerId }, over).claims;
  expect(members.hasExpired(good, good)).toBe(false);
  expect(members.hasExpired(undefined, undefined)).toBe(false);
  expect(members.hasExpired(ended, good)).toBe(true);
  expect(members.hasExpired(good, ended)).toBe(true);
  // Its own is still the old one: it would begin and end again and again.
  expect(membersOf(fleet.membership({ peerId }, over)).members.hasExpired(good, ended)).toBe(false);
});

test('data planes are told the credential of this host and who is revoked, and no more', () => {
  const { membership, told, members } = membersOf();
  members.tellFleet();
  membership.takeRevocations(fleet.revoke(fleet.fleetId));
  members.tellFleet();
  const pass = { fleetId: fleet.fleetId, credential: membership.credential };
  expect(told).toEqual([
    { type: 'fleet', pass: { ...pass, revoked: [] } },
    { type: 'fleet', pass: { ...pass, revoked: [fleet.fleetId] } },
  ]);
  expect(members.whyEnd(fleet.fleetId)?.message).toContain('is revoked');
  expect(members.whyEnd(peerId)).toBeUndefined();
});

test('without a fleet, members are who is named', () => {
  const lanes = { postAll: () => undefined };
  const members = new SealedMembers({ lanes }, { peerId, fleet: undefined });
  members.setNames(new Set([peerId]));
  expect(members.whyEnd(peerId)).toBeUndefined();
  expect(members.whyEnd(fleet.fleetId)?.code).toBe('PEER_NOT_MEMBER');
  expect(members.mayHave(undefined, [])).toBe(true);
  expect(members.whyAlone(['hello'])).toBeUndefined();
});
