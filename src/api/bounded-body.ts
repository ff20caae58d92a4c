import { TrackerError } from '../errors.ts';

/**
 * Reads a response's body and stops at the first byte too many, so that a tracker (or who poses as
 * one) can't fill our memory.
 * @throws TrackerError TRACKER_FAILED when the body is longer than `maxBytes`.
 */
export async function readBoundedBody(response: Response, maxBytes: number): Promise<Buffer> {
  if (response.body === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      // What is left is not wanted; if even that fails, there is nothing more to learn from it.
      await reader.cancel().catch(() => undefined);
      throw new TrackerError(
        'TRACKER_FAILED',
        `${response.url} answered with more than the ${maxBytes} bytes that are allowed`,
        { evidence: { url: response.url, maxBytes } },
      );
    }
    chunks.push(value);
  }
  return Buffer.concat(chunks, length);
}
