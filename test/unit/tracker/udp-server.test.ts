import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { announceUrl } from './announce-url.ts';
import { runNewTracker } from './running-tracker.ts';
import { announceDatagram, protocolId, requestHead, UdpClient } from './udp-client.ts';

const actionOf = (answer: Buffer) => answer.readUInt32BE(0);
const peersOf = (answer: Buffer) => answer.toString('hex', 20);
const errorOf = (answer: Buffer) => {
  expect(actionOf(answer)).toBe(3);
  return answer.toString('latin1', 8);
};

test('who announces over UDP and who does over HTTP are in one swarm', async () => {
  const { tracker } = await runNewTracker();
  expect(tracker.udpPort).toBeGreaterThan(0);
  const client = new UdpClient(tracker.udpPort ?? 0);
  const first = await client.announce({ port: 1_001, left: 0n, event: 2 });
  expect(first.toString('hex')).toBe(
    ['00000001', '00000008', '0000001e', '00000000', '00000001'].join(''),
  );
  const other = { peer_id: '2'.repeat(20), port: '1002' };
  const overHttp = await fetch(tracker.url + announceUrl(other));
  expect(await overHttp.text()).toContain('5:peers6:\x7f\0\0\x01\x03');
  const third = await client.announce({ peerId: '3'.repeat(20), port: 1_003 });
  const known = peersOf(third).match(/.{12}/g);
  expect(known?.sort()).toEqual(['7f00000103e9', '7f00000103ea']);

  const hashes = Buffer.from('h'.repeat(20) + 'x'.repeat(20));
  const scrape = Buffer.concat([requestHead(await client.connect(), 2, 9), hashes]);
  expect((await client.ask(scrape)).toString('hex')).toBe(
    ['00000002', '00000009', '00000001', '00000000', '00000002', '0'.repeat(24)].join(''),
  );
  const metrics = await (await fetch(`${tracker.url}/metrics`)).text();
  expect(metrics).toContain('udp_datagrams_total{outcome="announce"} 2');
  expect(metrics).toContain('announces_total{event="started",outcome="done"} 1');
});

test('sealed peers are not told of over UDP, nor those of the other kind of address', async () => {
  const { tracker } = await runNewTracker({ host: '::' });
  const port = tracker.udpPort ?? 0;
  await fetch(tracker.url + announceUrl({ peer_id: 's'.repeat(20), port: '1', sealed: '1' }));
  const [ipv4, ipv6] = [new UdpClient(port), new UdpClient(port, '::1')];
  await ipv4.announce({ peerId: '4'.repeat(20), port: 4 });
  expect(peersOf(await ipv6.announce({ peerId: '6'.repeat(20), port: 6 }))).toBe('');
  expect(peersOf(await ipv6.announce({ peerId: '7'.repeat(20), port: 7 }))).toBe(
    `${'00'.repeat(15)}010006`,
  );
  expect(peersOf(await ipv4.announce({ peerId: '5'.repeat(20), port: 5 }))).toBe('7f0000010004');
});

test('a peer that stops is told of no more', async () => {
  const { tracker } = await runNewTracker();
  const client = new UdpClient(tracker.udpPort ?? 0);
  await client.announce();
  await client.announce({ event: 3 });
  expect(peersOf(await client.announce({ peerId: '2'.repeat(20), port: 2 }))).toBe('');
});

test('an id that was not given is refused by less than was sent, and nothing changes', async () => {
  const { tracker, token } = await runNewTracker();
  const client = new UdpClient(tracker.udpPort ?? 0);
  const answer = await client.ask(announceDatagram(12_345n, 8));
  expect(errorOf(answer)).toMatch(/connection id$/);
  expect(answer.length).toBeLessThan(36);
  const headers = { authorization: `Bearer ${token}` };
  const swarms = await fetch(`${tracker.url}/v1/swarms`, { headers });
  expect(await swarms.json()).toMatchObject({ total: 0 });
});

test('an id that is older than two minutes is refused', async () => {
  let nowMs = 1e12;
  const { tracker } = await runNewTracker({}, { now: () => nowMs });
  const client = new UdpClient(tracker.udpPort ?? 0);
  const id = await client.connect();
  nowMs += 120_000;
  expect(actionOf(await client.ask(announceDatagram(id, 8)))).toBe(1);
  nowMs += 10_000;
  expect(errorOf(await client.ask(announceDatagram(id, 8)))).toMatch(/connection id$/);
});

test('what is wrong is said, and what is no request gets no answer', async () => {
  const { tracker } = await runNewTracker({ maxPeers: 1 });
  const client = new UdpClient(tracker.udpPort ?? 0);
  const id = await client.connect();
  const told = async (datagram: Buffer) => errorOf(await client.ask(datagram));
  expect(await told(announceDatagram(id, 8, { port: 0 }))).toMatch(/^port must be/);
  expect(await told(announceDatagram(id, 8).subarray(0, 60))).toMatch(/98 bytes/);
  expect(await told(requestHead(id, 2, 8))).toMatch(/^a scrape has/);
  expect(await told(requestHead(id, 4, 8))).toMatch(/^action must be/);
  await client.announce();
  expect(await told(announceDatagram(id, 8, { port: 2 }))).toMatch(/no room/);
  for (const length of [0, 1, 15]) client.send(Buffer.alloc(length));
  client.send(requestHead(protocolId + 1n, 0, 1));
  client.send(requestHead(id + 1n, 2, 1));
  // The answer is to this, so to none of those before it.
  expect((await client.ask(requestHead(protocolId, 0, 99))).readUInt32BE(4)).toBe(99);
});

test('UDP has a port of its own where that is asked for, or none', async () => {
  const none = await runNewTracker({ udp: false });
  expect(none.tracker.udpPort).toBeUndefined();
  const taken = createSocket('udp4').bind(0, '127.0.0.1');
  onTestFinished(() => void taken.close());
  await once(taken, 'listening');
  const udpPort = taken.address().port;
  await expect(runNewTracker({ udpPort })).rejects.toMatchObject({ code: 'CONFIG_IN_USE' });
  const own = await runNewTracker({ udpPort: 0 });
  expect(own.tracker.udpPort).not.toBe(own.tracker.port);
});
