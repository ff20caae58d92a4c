import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { FleetClient, TrackerClient } from '../../../../src/api/index.ts';
import { AccessToken } from '../../../../tracker/access-token.ts';
import { listAudit, verifyAudit } from '../../../../tracker/audit/index.ts';
import { FleetOperators } from '../../../../tracker/fleet/fleet-operators.ts';
import { waitFor } from '../../../tools/control-fleet.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';
import { runFleetTracker } from './fleet-tracker.ts';
import { openMembers } from './open-members.ts';

const bearer = (token: string): string => `Bearer ${token}`;

/** Two trackers of one store; each has an admin of its own. */
async function openTwo() {
  const { store, audit, clock } = await openMembers();
  const open = async () => {
    const adminToken = await AccessToken.open(await temporaryDirectory());
    const log = pino({ level: 'silent' });
    const now = () => clock.nowMs;
    const operators = await FleetOperators.open({ store, audit, adminToken, now, log });
    onTestFinished(() => operators[Symbol.asyncDispose]());
    const admin = (await readFile(adminToken.path, 'utf8')).trim();
    const whose = (token: string) => operators.identify(bearer(token), clock.nowMs);
    return { operators, admin, whose };
  };
  return { store, clock, one: await open(), other: await open() };
}

test('an operator is one at all trackers, and at none when it is revoked', async () => {
  const { one, other } = await openTwo();
  const { token } = await one.operators.create({ name: 'alice' }, 'admin');
  expect(await one.whose(token)).toBe('alice');
  await waitFor(async () => {
    expect(await other.whose(token)).toBe('alice');
  });
  await other.operators.revoke('alice', 'admin');
  expect(await other.whose(token)).toBeUndefined();
  await waitFor(async () => {
    expect(await one.whose(token)).toBeUndefined();
  });
  expect([await one.whose(one.admin), await one.whose(other.admin)]).toEqual(['admin', undefined]);
});

test('each change has its entry, and the store no token', async () => {
  const { store, one } = await openTwo();
  const { token } = await one.operators.create({ name: 'alice', ttlMs: 60_000 }, 'admin');
  await one.operators.revoke('alice', 'bob');
  const entries = await listAudit(store);
  expect(entries.map(({ actor, action, subject }) => ({ actor, action, subject }))).toEqual(
    expect.arrayContaining([
      { actor: 'admin', action: 'operator.create', subject: 'alice' },
      { actor: 'bob', action: 'operator.revoke', subject: 'alice' },
    ]),
  );
  expect(JSON.stringify(await store.list(''))).not.toContain(token);
  await verifyAudit(store);
});

test('of two who make one name at once one does, and a token ends when it says', async () => {
  const { clock, one, other } = await openTwo();
  const made = await Promise.allSettled(
    [one, other].map(({ operators }) =>
      operators.create({ name: 'alice', ttlMs: 60_000 }, 'admin'),
    ),
  );
  const [{ value } = { value: undefined }] = made.filter(
    ({ status }) => status === 'fulfilled',
  ) as {
    value?: { token: string };
  }[];
  expect(made.filter(({ status }) => status === 'rejected')).toMatchObject([
    { reason: { code: 'CONFIG_IN_USE' } },
  ]);
  const token = value?.token ?? '';
  await waitFor(async () => {
    expect(await one.whose(token)).toBe('alice');
  });
  clock.nowMs += 60_000;
  expect(await one.whose(token)).toBeUndefined();
});

test.each(['admin', 'Alice', 'a/b', ''])('the name %j is refused', async (name) => {
  const { one } = await openTwo();
  await expect(one.operators.create({ name }, 'admin')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
  expect(await one.operators.list()).toEqual([]);
});

test('operators by REST', async () => {
  const { fleet, client } = await runFleetTracker();
  const { token, ...made } = await fleet.createOperator({ name: 'alice', ttlMs: 60_000 });
  expect(made).toMatchObject({ name: 'alice', by: 'admin' });
  expect(await fleet.operators()).toEqual([made]);
  const alice = new FleetClient({ tracker: new TrackerClient({}, { url: client.url, token }) });
  expect(await alice.operators()).toEqual([made]);
  await expect(fleet.createOperator({ name: 'alice' })).rejects.toMatchObject({
    evidence: { code: 'CONFIG_IN_USE' },
  });
  await fleet.revokeOperator('alice');
  await expect(alice.operators()).rejects.toMatchObject({ evidence: { status: 401 } });
});
