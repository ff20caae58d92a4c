import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { encodeEvent, EventStream } from '../../../src/api/index.ts';

const large = encodeEvent('large', 'x'.repeat(1 << 20));
const maxBufferedBytes = 1 << 20;

/** A stream to a reader that connects by a socket of its own, which reads nothing yet. */
async function openStream() {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  onTestFinished(() => void reader.destroy());
  reader.on('error', () => undefined);
  reader.write('GET / HTTP/1.1\r\nhost: t\r\n\r\n');
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  let closed = 0;
  const gone = Promise.withResolvers<void>();
  const onClose = () => {
    closed += 1;
    gone.resolve();
  };
  const stream = new EventStream(response, { maxBufferedBytes, retryMs: 1_000, onClose });
  return { stream, reader, response, gone: gone.promise, closed: () => closed };
}

test('a reader that does not read is dropped, and no more than its share is held for it', async () => {
  const { stream, response, gone, closed } = await openStream();
  let isGone = false;
  void gone.then(() => (isGone = true));
  while (!isGone) {
    stream.write(large);
    expect(response.writableLength).toBeLessThan(maxBufferedBytes + 2 * large.length);
    await new Promise(setImmediate);
  }
  stream.write(large);
  stream.end();
  expect(closed()).toBe(1);
});

test('a reader that is slow but reads is not dropped, and gets all that was written', async () => {
  const { stream, reader, gone } = await openStream();
  let bytes = 0;
  reader.on('data', (data: Buffer) => (bytes += data.length)).resume();
  for (let round = 0; round < 8; round++) {
    stream.write(large);
    while (bytes < (round + 1) * large.length) await once(reader, 'data');
  }
  stream.end();
  await Promise.all([gone, once(reader, 'close')]);
  expect(bytes).toBeGreaterThan(8 * large.length);
});

test('the end does not wait for a reader that is behind', async () => {
  const { stream, response, gone } = await openStream();
  do {
    stream.write(large.slice(0, 1 << 18));
    await new Promise(setImmediate);
  } while (!response.writableNeedDrain);
  stream.write('more');
  stream.end();
  await gone;
});
