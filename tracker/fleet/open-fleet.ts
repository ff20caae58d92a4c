import type { FastifyBaseLogger } from 'fastify';
import { listenAddress, systemClock } from '../../src/control/index.ts';
import type { Release } from '../../src/trust/index.ts';
import type { TrackerConfig } from '../config.ts';
import { openStore, parseStoreUrl, storeUrlIn } from '../store/index.ts';
import { Fleet } from './fleet.ts';

export interface OpenFleetComponents {
  readonly log: FastifyBaseLogger;
  readonly random: () => number;
  readonly releases: () => readonly Release[];
}

/**
 * Opens the fleet whose key lies in a tracker's directory, with its store.
 * @returns undefined where there is no such key: then this tracker has no control plane
 * @throws ConfigError, StorageError, StoreError; Error when it can't listen
 */
export async function openFleet(
  components: OpenFleetComponents,
  directory: string,
  { control, store: url }: Pick<TrackerConfig, 'control' | 'store'>,
): Promise<OpenedFleet | undefined> {
  if (!(await Fleet.isIn(directory))) return undefined;
  const { log } = components;
  await using resources = new AsyncDisposableStack();
  const storeUrl = url ?? storeUrlIn(directory);
  const store = resources.use(await openStore(storeUrl));
  const { isWritable } = store;
  resources.defer(
    store.onStateChange((state) => {
      if (state.isWritable) log.info('the store takes changes again');
      else log.error({ reason: state.reason }, 'the store takes no changes: read-only');
    }),
  );
  if (!isWritable) log.error(store.state, 'the store takes no changes: read-only');
  const fleet = resources.use(
    await Fleet.open(
      { ...components, store, clock: systemClock },
      {
        directory,
        listen: [listenAddress(control.host, control.port)],
        announce: control.announce,
        credentialMs: control.credentialMs,
        isShared: parseStoreUrl(storeUrl).kind === 'etcd',
      },
    ),
  );
  return { fleet, resources: resources.move() };
}

export interface OpenedFleet {
  readonly fleet: Fleet;
  /** To be disposed of when the tracker ends. */
  readonly resources: AsyncDisposableStack;
}
