import { expect, onTestFinished } from 'vitest';
import { hintsTopic, type Hint } from '../../../src/control/hint.ts';
import {
  Hints,
  PeerLinks,
  systemClock,
  type ControlNode,
  type HintsInit,
} from '../../../src/control/index.ts';
import {
  addressOf,
  openMember,
  openNode,
  signal,
  test,
  waitFor,
} from '../../tools/control-fleet.ts';
import { seededRandom } from '../../tools/seeded-random.ts';

const clock = systemClock;

function hintsOf(node: ControlNode, init: Partial<HintsInit> = {}) {
  const heard: Hint[] = [];
  const hints = new Hints({ node, clock }, { onHint: (hint) => heard.push(hint), ...init });
  onTestFinished(() => hints[Symbol.dispose]());
  const gossip = node.gossip as ControlNode['gossip'] & {
    getMeshPeers(topic: string): string[];
  };
  return { node, hints, heard, mesh: () => gossip.getMeshPeers(hintsTopic) };
}

/** Whoever is connected exchanges hints as soon as both have said so. */
const meshed = (...hosts: ReturnType<typeof hintsOf>[]) =>
  waitFor(() => {
    for (const { mesh } of hosts) expect(mesh().length).toBeGreaterThan(0);
  });

test('hints go from host to host, also when the tracker is gone', async ({ fleet }) => {
  const tracker = hintsOf(await openMember({ fleet, role: 'tracker' }));
  const hosts: ReturnType<typeof hintsOf>[] = [];
  for (let index = 0; index < 4; index++) hosts.push(hintsOf(await openMember({ fleet })));
  for (const { node } of hosts) await node.connect(addressOf(tracker.node), { signal });
  // A chain, so that a hint must be passed on.
  for (const [index, { node }] of hosts.slice(1).entries()) {
    const links = new PeerLinks({ node, clock, random: seededRandom(index) });
    onTestFinished(() => links[Symbol.asyncDispose]());
    links.offer([addressOf(node), addressOf(hosts[index]!.node)]);
  }
  await meshed(tracker, ...hosts);
  const news = { app: 'web', channel: 'stable' };
  await tracker.hints.publish(news);
  await waitFor(() => expect(hosts.map(({ heard }) => heard)).toEqual(Array(4).fill([news])));
  await tracker.node[Symbol.asyncDispose]();
  await waitFor(() => {
    for (const [index, { node, mesh }] of hosts.entries()) {
      expect(node.members()).not.toContain(tracker.node.peerId);
      expect(mesh()).toHaveLength(index === 0 || index === 3 ? 1 : 2);
    }
  });
  await hosts[0]!.hints.publish({ revocations: 9 });
  await waitFor(() => expect(hosts[3]!.heard).toEqual([news, { revocations: 9 }]));
  // The same again is said again: it may be another release.
  await hosts[0]!.hints.publish(news);
  await waitFor(() => expect(hosts[3]!.heard).toEqual([news, { revocations: 9 }, news]));
});

test('what is malformed, too long or of a kind that is not known is not told', async ({
  fleet,
}) => {
  const [liar, host] = [hintsOf(await openMember({ fleet })), hintsOf(await openMember({ fleet }))];
  await liar.node.connect(addressOf(host.node), { signal });
  await meshed(liar, host);
  const id = 'a'.repeat(16);
  const bad = [
    'garbage',
    JSON.stringify({ id, hint: { moon: 'full' } }),
    JSON.stringify({ id, hint: { app: 'web', channel: 'stable', run: 'this' } }),
    JSON.stringify({ id, hint: { app: 'web', channel: 'x'.repeat(2_000) } }),
    JSON.stringify({ hint: { revocations: 1 } }),
  ];
  for (const text of bad) await liar.node.gossip.publish(hintsTopic, Buffer.from(text));
  await liar.hints.publish({ settings: 'web', revision: 5 });
  await waitFor(() => expect(host.heard).toEqual([{ settings: 'web', revision: 5 }]));
});

test('a peer passes on so many hints and no more', async ({ fleet }) => {
  const flood = hintsOf(await openMember({ fleet }));
  const rate = { perSecond: 0.001, burst: 5 };
  const host = hintsOf(await openMember({ fleet }), {});
  const strict = hintsOf(await openMember({ fleet }), { rate });
  for (const { node } of [host, strict]) await flood.node.connect(addressOf(node), { signal });
  await meshed(flood, host, strict);
  for (let revision = 0; revision < 20; revision++)
    await flood.hints.publish({ revocations: revision });
  await waitFor(() => expect(host.heard).toHaveLength(20));
  await waitFor(() => expect(strict.heard).toHaveLength(5));
});

test('a host that goes is replaced by another of those that were named', async ({ fleet }) => {
  const [one, other] = [await openMember({ fleet }), await openMember({ fleet })];
  const stranger = await openNode({ fleet });
  const node = await openMember({ fleet });
  const errors: unknown[] = [];
  const links = new PeerLinks(
    { node, clock, random: seededRandom(3) },
    {
      wanted: 1,
      everyMs: 20,
      backoff: { firstMs: 10, mostMs: 50 },
      onError: (address) => errors.push(address),
    },
  );
  onTestFinished(() => links[Symbol.asyncDispose]());
  links.offer(['nonsense', ...[stranger, one, other, node].map(addressOf)]);
  const linked = () => waitFor(() => expect(node.members()).toHaveLength(1));
  await linked();
  expect(errors).toContain('nonsense');
  const [first] = node.members();
  await (first === one.peerId ? one : other)[Symbol.asyncDispose]();
  await waitFor(() => expect(node.members()).not.toContain(first));
  await linked();
  expect([one.peerId, other.peerId]).toContain(node.members()[0]);
});
