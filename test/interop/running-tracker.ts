import { readFile } from 'node:fs/promises';
import { expect, onTestFinished, vi } from 'vitest';
import { TrackerClient } from '../../src/api/index.ts';
import type { StoredImage } from '../../src/image/index.ts';
import { createKeys } from '../../src/trust/index.ts';
import { startTracker } from '../../tracker/index.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';

/** `tracker serve` in this process; it ends with the test. */
export interface RunningTracker {
  readonly url: string;
  /** The same, for announces over UDP (BEP 15). */
  readonly udpUrl: string;
  /** Returns when the tracker knows a seed of this image; or of another info-hash, if one is given. */
  knowsSeed(image: StoredImage, infoHash?: Uint8Array): Promise<void>;
}

export async function runTracker(): Promise<RunningTracker> {
  const { rootPath } = await createKeys(await temporaryDirectory(), { now: new Date() });
  const directory = await temporaryDirectory();
  const tracker = await startTracker({ port: 0, directory, rootPath, logLevel: 'silent' });
  onTestFinished(() => tracker[Symbol.asyncDispose]());
  const { url, udpPort = 0, tokenPath } = tracker;
  const token = (await readFile(tokenPath, 'utf8')).trim();
  const client = new TrackerClient({}, { url, token });
  return {
    url,
    udpUrl: `udp://127.0.0.1:${udpPort}`,
    async knowsSeed({ metainfo }, infoHash = metainfo.info.infoHash) {
      const look = async () => {
        expect((await client.swarm(Buffer.from(infoHash).toString('hex'))).seeds).toBe(1);
      };
      await vi.waitFor(look, { timeout: 30_000 });
    },
  };
}
