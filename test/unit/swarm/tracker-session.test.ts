import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { TrackerSession } from '../../../src/swarm/tracker-session.ts';
import type { AnnounceResponse } from '../../../src/swarm/announce.ts';
import { runNewTracker } from '../tracker/running-tracker.ts';
import { foreignAnswer, ourAnswer, PlayedTracker, type PlayedAnswer } from './played-tracker.ts';
import { WatchedTalk } from './watched-talk.ts';

/** A session of a host; it ends with the test. */
function openSession(url: string, port = 6_881) {
  const errors: unknown[] = [];
  const session = new TrackerSession(
    { random: () => 0, now: () => performance.now() },
    {
      url,
      describeHost: () => ({
        peerId: port.toString(16).padStart(40, '0'),
        port,
        sealed: true,
        zone: '',
        rack: '',
      }),
      onError: (error) => errors.push(error),
    },
  );
  onTestFinished(() => session[Symbol.asyncDispose]());
  return { session, errors };
}

/** Answers as ours do, each time when the test says so, until `release`. */
async function openSlowTracker() {
  const gates: (() => void)[] = [];
  const tracker = await PlayedTracker.open(async (asked) => {
    await new Promise<void>((resolve) => gates.push(resolve));
    return ourAnswer(asked);
  });
  const answer = () => gates.shift()?.();
  const release = () => {
    tracker.play = (asked) => ourAnswer(asked);
    answer();
  };
  return { tracker, answer, release };
}

test('swarms that are joined one after the other are announced in one request', async () => {
  const tracker = await PlayedTracker.open();
  const { session } = openSession(tracker.url);
  const talks = [1, 2, 3].map((name) => new WatchedTalk(name));
  for (const talk of talks) session.join(talk);
  await Promise.all(talks.map((talk) => talk.answered(1)));
  expect(tracker.asked).toHaveLength(1);
  const [asked] = tracker.asked;
  expect(asked).toMatchObject({ method: 'POST', url: '/announces' });
  const claims = talks.map(({ hash }) => ({ infoHash: hash, leftBytes: 5, event: 'started' }));
  expect(asked?.batch?.swarms).toEqual(claims);
});

test('more swarms than one announce takes go in several', async () => {
  const tracker = await PlayedTracker.open();
  const { session } = openSession(tracker.url);
  const talks = Array.from({ length: 501 }, () => new WatchedTalk(1));
  talks.forEach((talk, index) => talk.infoHash.writeUInt32BE(index));
  for (const talk of talks) session.join(talk);
  await Promise.all(talks.map((talk) => talk.answered(1)));
  expect(tracker.asked.map(({ batch }) => batch?.swarms.length)).toEqual([500, 1]);
});

test('our tracker tells the hosts of a swarm of each other', async () => {
  const { tracker } = await runNewTracker({ udp: false });
  const [one, other] = [new WatchedTalk(1), new WatchedTalk(1)];
  openSession(tracker.url, 1_001).session.join(one);
  await one.answered(1);
  openSession(tracker.url, 1_002).session.join(other);
  await other.answered(1);
  expect(other.answers[0]?.peers).toEqual([{ host: '127.0.0.1', port: 1_001, isWhole: false }]);
});

test('each event is said once, in its turn, and all on one connection', async () => {
  const tracker = await PlayedTracker.open();
  const { session } = openSession(tracker.url);
  const talk = new WatchedTalk(1);
  session.join(talk);
  await talk.answered(1);
  session.hurry(talk);
  await talk.answered(2);
  talk.leftBytes = 0;
  session.complete(talk);
  await talk.answered(3);
  session.hurry(talk);
  await talk.answered(4);
  await session.leave(talk);
  expect(tracker.events()).toEqual(['started', undefined, 'completed', undefined, 'stopped']);
  expect(tracker.connections).toBe(1);
});

test('what becomes whole during an announce says so in the next, once', async () => {
  const { tracker, answer, release } = await openSlowTracker();
  const { session } = openSession(tracker.url);
  const talk = new WatchedTalk(1);
  session.join(talk);
  await tracker.askedTimes(1);
  session.complete(talk);
  answer();
  await tracker.askedTimes(2);
  session.hurry(talk);
  answer();
  await tracker.askedTimes(3);
  release();
  await talk.answered(3);
  expect(tracker.events()).toEqual(['started', 'completed', undefined]);
});

test('a hurry during an announce leads to another', async () => {
  const { tracker, answer, release } = await openSlowTracker();
  const { session } = openSession(tracker.url);
  const talk = new WatchedTalk(1);
  session.join(talk);
  await tracker.askedTimes(1);
  session.hurry(talk);
  answer();
  await tracker.askedTimes(2);
  release();
  await talk.answered(2);
});

test.each<[string, PlayedAnswer]>([
  ['404', { status: 404, body: 'no such page' }],
  ['405', { status: 405, body: '' }],
  ['200 and bencode', foreignAnswer],
])('a tracker that answers %s is spoken to as BEP 3 says, from then on', async (_, posted) => {
  const tracker = await PlayedTracker.open(({ method }) =>
    method === 'POST' ? posted : foreignAnswer,
  );
  const { session, errors } = openSession(tracker.url);
  const talks = [new WatchedTalk(1), new WatchedTalk(2)];
  for (const talk of talks) session.join(talk);
  await Promise.all(talks.map((talk) => talk.answered(1)));
  const [talk] = talks;
  if (talk === undefined) return;
  session.hurry(talk);
  await talk.answered(2);
  await session.leave(talk);
  expect(talk.foreign[0]?.endpoints).toEqual([{ host: '192.0.2.1', port: 6_881 }]);
  expect(errors).toEqual([]);
  const gets = tracker.asked.slice(1).map(({ url }) => new URL(url, tracker.url).searchParams);
  expect(tracker.asked.map(({ method }) => method)).toEqual(['POST', 'GET', 'GET', 'GET', 'GET']);
  const events = gets.map((query) => query.get('event'));
  expect(events).toEqual(['started', 'started', null, 'stopped']);
});

test.each<[string, PlayedAnswer, string]>([
  ['a refusal', { status: 400, body: '{"detail":"no"}' }, 'TRACKER_REFUSED'],
  ['an overload', { status: 503, body: '' }, 'TRACKER_REFUSED'],
  ['garbage', { body: '{"swarms":7}' }, 'TRACKER_FAILED'],
])('%s is an error that is told, and then it is tried again', async (_, bad, code) => {
  const tracker = await PlayedTracker.open(() => bad);
  const { session, errors } = openSession(tracker.url);
  const talk = new WatchedTalk(1);
  session.join(talk);
  await tracker.askedTimes(1);
  tracker.play = (asked) => ourAnswer(asked);
  await talk.answered(1);
  expect(errors).toMatchObject([{ code }]);
  expect(talk.reachable).toEqual([false, true]);
  // Nothing was heard, so it is said again.
  expect(tracker.events()).toEqual(['started', 'started']);
});

test('a swarm that is refused does not hold up the others, and says again what was not heard', async () => {
  const [talk, unwanted] = [new WatchedTalk(1), new WatchedTalk(2)];
  const tracker = await PlayedTracker.open((asked) =>
    ourAnswer(asked, (swarm) =>
      swarm.infoHash === unwanted.hash ? { infoHash: unwanted.hash, refused: 'no room' } : swarm,
    ),
  );
  const { session, errors } = openSession(tracker.url);
  session.join(talk);
  session.join(unwanted);
  await talk.answered(1);
  tracker.play = (asked) => ourAnswer(asked);
  session.hurry(unwanted);
  await unwanted.answered(1);
  expect(errors).toMatchObject([{ message: expect.stringContaining('no room') as string }]);
  expect(tracker.events(unwanted.hash)).toEqual(['started', 'started']);
  expect(tracker.events(talk.hash)).toEqual(['started']);
  expect([talk.reachable, unwanted.reachable]).toEqual([[true], [false, true]]);
});

test('a foreign tracker that refuses a swarm is announced the others', async () => {
  const [talk, unwanted] = [new WatchedTalk(1), new WatchedTalk(2)];
  const failure = { body: 'd14:failure reason2:noe' };
  const tracker = await PlayedTracker.open(({ method, url }) => {
    if (method === 'POST') return { status: 404, body: '' };
    return url.includes('info_hash=%02') ? failure : foreignAnswer;
  });
  const { session, errors } = openSession(tracker.url);
  session.join(talk);
  session.join(unwanted);
  await talk.answered(1);
  session.hurry(talk);
  await talk.answered(2);
  expect(errors).toMatchObject([{ code: 'TRACKER_REFUSED' }]);
  expect(tracker.asked.filter(({ method }) => method === 'POST')).toHaveLength(1);
  expect([talk.reachable, unwanted.reachable]).toEqual([[true, true], [false]]);
});

test('when the connection is lost, all is announced again at once', async () => {
  const tracker = await PlayedTracker.open();
  const { session, errors } = openSession(tracker.url);
  const talks = [new WatchedTalk(1), new WatchedTalk(2)];
  for (const talk of talks) session.join(talk);
  await Promise.all(talks.map((talk) => talk.answered(1)));
  await idle(tracker);
  const before = tracker.connections;
  for (const socket of tracker.sockets) socket.destroy();
  await Promise.all(talks.map((talk) => talk.answered(2)));
  expect(tracker.connections).toBe(before + 1);
  expect(errors).toEqual([]);
});

/** Waits until a host has had its answer and holds an idle connection. */
async function idle(tracker: PlayedTracker): Promise<void> {
  await fetch(`${tracker.url}/`).then((response) => response.text());
  await new Promise(setImmediate);
}

test('a connection that was silent for as long as the tracker keeps it is no loss', async () => {
  const tracker = await PlayedTracker.open();
  // The host, told of 2 s, ends it after one.
  tracker.server.keepAliveTimeout = 2_000;
  const { session } = openSession(tracker.url);
  const talk = new WatchedTalk(1);
  session.join(talk);
  await talk.answered(1);
  await Promise.all([...tracker.sockets].map((socket) => once(socket, 'close')));
  await idle(tracker);
  expect(tracker.events()).toEqual(['started']);
  session.hurry(talk);
  await talk.answered(2);
});

test('a swarm that is joined again while its good-bye is said is announced again', async () => {
  const { tracker, answer, release } = await openSlowTracker();
  const { session } = openSession(tracker.url);
  const talk = new WatchedTalk(1);
  session.join(talk);
  await tracker.askedTimes(1);
  answer();
  await talk.answered(1);
  const left = session.leave(talk);
  await tracker.askedTimes(2);
  session.join(talk);
  answer();
  await left;
  await tracker.askedTimes(3);
  release();
  await talk.answered(2);
  expect(tracker.events()).toEqual(['started', 'stopped', 'started']);
});

test('who leaves does not wait for a tracker that hangs', { timeout: 5_000 }, async () => {
  const tracker = await PlayedTracker.open();
  const { session } = openSession(tracker.url);
  const [talk, other] = [new WatchedTalk(1), new WatchedTalk(2)];
  session.join(talk);
  await talk.answered(1);
  tracker.play = () => undefined;
  await session.leave(talk);
  session.join(other);
  await session[Symbol.asyncDispose]();
  await tracker.deserted();
});

test('a session that is closed says good-bye and leaves no timer and no socket', async () => {
  const tracker = await PlayedTracker.open();
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const { session } = openSession(tracker.url);
  const talks = [new WatchedTalk(1), new WatchedTalk(2)];
  for (const talk of talks) session.join(talk);
  await Promise.all(talks.map((talk) => talk.answered(1)));
  await session[Symbol.asyncDispose]();
  expect(tracker.asked.at(-1)?.batch?.swarms.map(({ event }) => event)).toEqual([
    'stopped',
    'stopped',
  ]);
  await tracker.deserted();
  expect(timers()).toBeLessThanOrEqual(before);
});

test('what is said of the origin goes along, and what is answered comes back', async () => {
  const lease = { slot: 1, slots: [0, 1], bytes: 100, expiresInMs: 5_000 };
  const tracker = await PlayedTracker.open((asked) =>
    ourAnswer(asked, (swarm) => ({ ...swarm, origin: lease })),
  );
  const { session } = openSession(tracker.url);
  const talk = new WatchedTalk(1);
  const claim = { wanted: true, sizeBytes: 100, takenBytes: 7 };
  const answers: AnnounceResponse['origin'][] = [];
  talk.origin = {
    claim: () => claim,
    onAnswer: ({ origin }) => answers.push(origin),
    nextMs: () => Infinity,
  };
  session.join(talk);
  await talk.answered(1);
  await session.leave(talk);
  expect(tracker.asked[0]?.batch?.swarms[0]?.origin).toEqual(claim);
  expect(answers[0]).toEqual(lease);
});
