import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import * as z from 'zod';
import type { StoredImage } from '../../src/image/index.ts';
import { imageFolder } from './image-files.ts';
import { JsonProcess } from './json-process.ts';

const started = z.object({
  event: z.literal('gateway'),
  port: z.int().min(1),
  websocketTracker: z.string().optional(),
  webRtc: z.boolean(),
  torrents: z.array(z.object({ id: z.string(), infoHash: z.string(), magnet: z.string() })),
});
const bin = join(import.meta.dirname, '..', '..', 'seeder', 'bin.js');

/** `seeder gateway` for images of one store, in a process of its own that ends with the test. */
export interface RunningGateway extends z.output<typeof started> {
  readonly process: JsonProcess;
  readonly peer: { readonly host: string; readonly port: number };
  /** Of the first image. */
  readonly magnet: string;
}

/** @param nodeArgs what Node itself is told */
export async function startGatewayProgram(
  images: readonly StoredImage[],
  args: readonly string[] = [],
  nodeArgs: readonly string[] = [],
): Promise<RunningGateway> {
  const [first] = images;
  if (first === undefined) throw new Error('give it images');
  const host = '127.0.0.1';
  const own = ['--store', dirname(imageFolder(first)), '--host', host, '--port', '0', '--json'];
  const ids = images.map(({ imageId }) => imageId);
  const gateway = new JsonProcess(
    process.execPath,
    [...nodeArgs, bin, 'gateway', ...ids, ...own, ...args],
    'seeder gateway',
  );
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  const event = await gateway.take(started, 'that it offers images');
  const peer = { host, port: event.port };
  return { ...event, process: gateway, peer, magnet: event.torrents[0]?.magnet ?? '' };
}
