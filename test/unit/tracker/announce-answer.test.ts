import { expect, test } from 'vitest';
import {
  encodeAnnounceAnswer,
  encodeFailure,
  encodeScrapeAnswer,
} from '../../../tracker/announce-answer.ts';
import { packAddress, packEndpoint } from '../../../tracker/peer-address.ts';

const intervals = { announceIntervalMs: 30_000, minAnnounceIntervalMs: 1_500 };
const peer = (address: string, port: number) => ({
  endpoint: packEndpoint(packAddress(address) ?? '', port),
  peerId: 'p'.repeat(20),
  leftBytes: 1,
  lastSeenMs: 0,
  transport: 'plain' as const,
});
const counts = { seeds: 1, downloaders: 2, completed: 3 };
const head = 'd8:completei1e10:incompletei2e8:intervali30e12:min intervali2e';

test('a compact answer has six bytes a peer, and eighteen for IPv6 (BEP 23, BEP 7)', () => {
  const peers = [peer('192.0.2.1', 258), peer('2001:db8::1', 65_535), peer('192.0.2.2', 1)];
  const answer = encodeAnnounceAnswer({ ...counts, peers }, intervals, {
    compact: true,
    noPeerId: false,
  });
  const ipv6 = '\x20\x01\x0d\xb8' + '\0'.repeat(11) + '\x01\xff\xff';
  expect(answer).toBe(
    `${head}5:peers12:\xc0\0\x02\x01\x01\x02\xc0\0\x02\x02\0\x016:peers618:${ipv6}e`,
  );
});

test('an answer that is not compact has dictionaries, IPv6 among them (BEP 3)', () => {
  const peers = [peer('192.0.2.1', 258), peer('2001:db8::1', 1)];
  const encode = (noPeerId: boolean) =>
    encodeAnnounceAnswer({ ...counts, peers }, intervals, { compact: false, noPeerId });
  const id = `7:peer id20:${'p'.repeat(20)}`;
  expect(encode(false)).toBe(
    `${head}5:peersld2:ip9:192.0.2.1${id}4:porti258eed2:ip11:2001:db8::1${id}4:porti1eeee`,
  );
  expect(encode(true)).not.toContain('peer id');
});

test('a scrape has raw info-hashes as keys (BEP 48)', () => {
  const infoHash = '\xe9\0'.repeat(10);
  const answer = encodeScrapeAnswer(new Map([[infoHash, counts]]));
  expect(answer).toBe(`d5:filesd20:${infoHash}d8:completei1e10:downloadedi3e10:incompletei2eeee`);
});

test('a refusal says why, and when to come back (BEP 3, BEP 31)', () => {
  expect(encodeFailure('no')).toBe('d14:failure reason2:noe');
  expect(encodeFailure('no', 1)).toBe('d14:failure reason2:no8:retry ini1ee');
});
