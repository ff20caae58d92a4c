import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { durable, type ImageStore } from '../../src/image/index.ts';
import { Exchange, type ExchangeInit, type SwarmStatus } from '../../src/swarm/index.ts';
import { storeIn } from './baked-image.ts';
import { seededRandom } from './seeded-random.ts';

/** An exchange of a test, its store, and its clock. */
export interface RunningExchange {
  readonly exchange: Exchange;
  readonly store: ImageStore;
  readonly endpoint: { readonly host: string; readonly port: number };
  /** Makes time pass for it: what it decides by the clock, it decides at its next tick. */
  advance(ms: number): void;
  /** Waits until the status of one of its swarms satisfies `holds`. */
  until(holds: (status: SwarmStatus) => boolean): Promise<SwarmStatus>;
}

let seed = 0;

/** Opens an exchange on the loopback address over `directory/store`; it ends with the test. */
export async function openExchange(
  directory: string,
  init: Partial<ExchangeInit> = {},
): Promise<RunningExchange> {
  const store = storeIn(join(directory, 'store'));
  let skewMs = 0;
  const watchers = new Set<(status: SwarmStatus) => void>();
  const exchange = await Exchange.open(
    {
      store,
      durability: durable,
      random: seededRandom(++seed),
      now: () => performance.now() + skewMs,
    },
    {
      host: '127.0.0.1',
      open: init.seal === undefined,
      threads: 0,
      ...init,
      onChange: (status) => {
        for (const watcher of watchers) watcher(status);
      },
    },
  );
  onTestFinished(() => exchange[Symbol.asyncDispose]());
  return {
    exchange,
    store,
    endpoint: { host: '127.0.0.1', port: exchange.port },
    advance: (ms) => {
      skewMs += ms;
    },
    until: async (holds) => {
      const already = exchange.status().find(holds);
      if (already !== undefined) return already;
      return await new Promise((resolve) => {
        const watcher = (status: SwarmStatus) => {
          if (!holds(status)) return;
          watchers.delete(watcher);
          resolve(status);
        };
        watchers.add(watcher);
      });
    },
  };
}
