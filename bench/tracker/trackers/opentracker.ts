import { chmod, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, untilListening } from '../../process/index.ts';
import { isInstalled } from '../../process/index.ts';
import type { BenchTracker } from '../bench-tracker.ts';

/** opentracker, as Debian builds it: with a list of the info-hashes that it lets in. */
export const openTracker: BenchTracker = {
  name: 'opentracker',
  ours: false,
  ways: ['http', 'udp'],
  missing: () => (isInstalled('opentracker', '-h') ? undefined : 'opentracker is not installed'),

  async start({ directory, hashesPath, signal, start }) {
    // It gives up root's rights, and its list is named relative to the folder that it then is in.
    await chmod(directory, 0o755);
    await copyFile(hashesPath, join(directory, 'allowed'));
    const port = await freePort();
    const ports = ['-i', '127.0.0.1', '-p', String(port), '-P', String(port)];
    const process = start('opentracker', [
      'opentracker',
      ...ports,
      '-d',
      directory,
      '-w',
      'allowed',
    ]);
    const ended = new AbortController();
    const listening = untilListening(port, { signal: AbortSignal.any([signal, ended.signal]) });
    try {
      await Promise.race([listening, process.succeeded()]);
      await listening;
    } catch (error) {
      ended.abort();
      throw error;
    }
    return { process, httpPort: port, udpPort: port };
  },
};
