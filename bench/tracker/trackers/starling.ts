import { join } from 'node:path';
import * as z from 'zod';
import { createKeys } from '../../../src/trust/index.ts';
import { ownProgram } from '../../process/index.ts';
import type { BenchTracker } from '../bench-tracker.ts';

const listening = z.object({ event: z.literal('listening'), url: z.url(), udpPort: z.int() });

/** `tracker serve`. */
export const starling: BenchTracker = {
  name: 'starling',
  ours: true,
  ways: ['http', 'http-kept', 'udp'],
  missing: () => undefined,

  async start({ directory, start }) {
    const { rootPath } = await createKeys(join(directory, 'keys'), { now: new Date() });
    const process = start(
      'tracker',
      ownProgram(
        'tracker',
        ...['serve', '--root', rootPath, '--dir', join(directory, 'tracker')],
        ...['--port', '0', '--log-level', 'error'],
      ),
    );
    const { value } = await process.line(listening, 'that it listens');
    return { process, httpPort: Number(new URL(value.url).port), udpPort: value.udpPort };
  },
};
