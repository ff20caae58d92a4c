/**
 * A fetcher in a process of its own that takes settings from its standard input, a line of JSON
 * each, as it takes them from a tracker; and says what happens, a line each. Told of an end it ends.
 *
 *     node settings-fetcher.ts DIRECTORY TRACKER ROOT OUT
 */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { Fetcher } from '../../fetcher/fetcher.ts';
import type { GivenSettings } from '../../src/api/index.ts';

const [directory = '', tracker = '', root = '', out = ''] = process.argv.slice(2);
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

await using fetcher = await Fetcher.start(
  {
    log: pino({ level: 'error' }, pino.destination({ fd: 2, sync: true })),
    onEvent: (event) => {
      if (event.event !== 'swarm') say(event);
    },
  },
  {
    directory,
    trackers: [tracker],
    root: await readFile(root, 'utf8'),
    follow: [{ app: 'hello', channel: 'stable' }],
    supplies: new Map([['OUT', out]]),
    transport: {
      seal: undefined,
      open: true,
      openPort: 0,
      threads: 0,
      place: { zone: 'eu', rack: '' },
    },
    host: '127.0.0.1',
    pollMs: 100,
    activation: { settleMs: 50 },
  },
  { signal: new AbortController().signal },
);
say({ event: 'running' });
for await (const line of createInterface(process.stdin)) {
  const told = JSON.parse(line) as GivenSettings | { readonly end: true };
  if ('end' in told) break;
  const applied = await fetcher.settings.apply('hello', told);
  say({ event: 'applied', applied });
}
// An input that is still open would keep the process.
process.stdin.destroy();
