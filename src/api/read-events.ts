import { TrackerError } from '../errors.ts';

export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/** More than an event of a tracker ever has. */
const maxEventCharacters = 1 << 20;

/**
 * Reads server-sent events (HTML, "9.2 Server-sent events") until the stream ends. Ids and times to
 * come back mean nothing here; comments are passed over, but they are signs of life.
 * @param onData called whenever anything came
 * @throws TrackerError TRACKER_FAILED for an event that is too long
 */
export async function* readEvents(
  response: Response,
  onData: () => void,
): AsyncGenerator<ServerSentEvent> {
  if (response.body === null) return;
  let rest = '';
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    onData();
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = readBlock(block);
      if (event !== undefined) yield event;
    }
    if (rest.length > maxEventCharacters) {
      const { url } = response;
      throw new TrackerError('TRACKER_FAILED', `${url} sent an event that is too long`, {
        evidence: { url, maxEventCharacters },
      });
    }
  }
}

function readBlock(block: string): ServerSentEvent | undefined {
  let event = 'message';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const [, field, value = ''] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
  }
  return data.length === 0 ? undefined : { event, data: data.join('\n') };
}
