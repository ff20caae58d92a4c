/**
 * Simulated hosts: members with identities of their own, each with a node of the control plane and a
 * session with the tracker, all in one process. Argument: JSON of `SessionsOrder`.
 */
import { ControlNode, systemClock, TrackerSession } from '../../src/control/index.ts';
import { Identity, issueCredential, verifyCredential } from '../../src/trust/sealed.ts';
import type { SessionsOrder } from './sessions.ts';

const order = JSON.parse(process.argv[2] ?? '') as SessionsOrder;
const { app, tracker, sessions } = order;
const fleetKey = await Identity.open(order.fleetKeyPath);
const credentialMs = 86_400_000;
const told = new Map<number, number[]>();

const say = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);

/** Opens one host. @returns when it was told settings for the first time */
async function openHost(): Promise<void> {
  const identity = Identity.generate();
  const { peerId } = identity;
  const nowMs = Date.now();
  const credential = issueCredential(fleetKey, {
    ...{ peerId, roles: ['host'], apps: [app], labels: {} },
    issuedAt: new Date(nowMs).toISOString(),
    expiresAt: new Date(nowMs + credentialMs).toISOString(),
  });
  const verifier = {
    verify: (text: string, shownBy: string) =>
      verifyCredential(text, {
        ...{ fleetId: fleetKey.peerId, peerId: shownBy, revocations: undefined },
        now: new Date(),
      }),
  };
  const node = await ControlNode.open(
    { identity, verifier, clock: systemClock },
    { role: 'host', listen: [], credential },
  );
  const first = Promise.withResolvers<undefined>();
  new TrackerSession(
    { node, clock: systemClock, random: Math.random },
    {
      trackers: [tracker],
      describe: () => ({
        version: 'bench',
        follows: [{ app, channel: 'stable' }],
        settings: {},
        addresses: [],
      }),
      onMessage: (message) => {
        if (message.type !== 'settings') return;
        first.resolve(undefined);
        onTold(message.revision, Number(process.hrtime.bigint()) / 1e6);
      },
      onChange: (change) => {
        if (!change.connected) process.stderr.write(`${change.error.message}\n`);
      },
    },
  );
  await first.promise;
}

function onTold(revision: number, atMs: number): void {
  const times = told.get(revision) ?? [];
  told.set(revision, times);
  times.push(atMs);
  if (times.length === sessions) say({ event: 'told', revision, atMs: times });
}

for (let opened = 0; opened < sessions; opened += order.atOnce) {
  const count = Math.min(order.atOnce, sessions - opened);
  await Promise.all(Array.from({ length: count }, openHost));
}
say({ event: 'open' });
