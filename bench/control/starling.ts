import { join } from 'node:path';
import * as z from 'zod';
import { ownProgram, type Place } from '../process/index.ts';
import { buildApplication, endpointName } from './application.ts';
import { CallbackLog } from './callback-log.ts';
import { firstValue, startMs, type RunningPlane } from './control-plane.ts';
import { startTracker, type RunningTracker } from './running-tracker.ts';

const baked = z.object({ id: z.string() });
const seeding = z.object({ event: z.literal('seeding') });

const app = 'web';
const everyApp = { apps: ['*'], labels: {}, ttlMs: 600_000 };

/** A tracker, and fetchers that have joined its fleet and run an application each. */
export async function startStarling(
  place: Place,
  { hosts: count }: { readonly hosts: number },
): Promise<RunningPlane> {
  await using resources = new AsyncDisposableStack();
  const log = resources.use(await CallbackLog.listen(join(place.directory, 'told')));
  const tracker = await startTracker(place);
  await tracker.fleet.setSetting({ app, name: endpointName }, firstValue);
  await startSeeder(place, tracker);
  const hosts = await Promise.all(
    Array.from({ length: count }, (_, index) => startHost(place, tracker, `host-${index + 1}`)),
  );
  const told: RunningPlane['told'] = (value, options) => log.untilTold(value, count, options);
  const soon = AbortSignal.any([place.signal, AbortSignal.timeout(startMs)]);
  await told(firstValue, { signal: soon });
  // They end their applications, which would outlive a fetcher that is killed.
  resources.defer(async () => void (await Promise.allSettled(hosts.map((host) => host.stop()))));
  const running = resources.move();
  return {
    name: 'starling',
    ours: true,
    server: tracker.process,
    hosts,
    async change(value) {
      await tracker.fleet.setSetting({ app, name: endpointName }, value);
    },
    told,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Bakes, releases and seeds the application. */
async function startSeeder(place: Place, tracker: RunningTracker): Promise<void> {
  const at = (name: string) => join(place.directory, name);
  await buildApplication(at('app'));
  const run = (...args: readonly string[]) =>
    place.start(`seeder ${args[0]}`, ownProgram('seeder', ...args));
  const bake = run('bake', at('app'), '--store', at('store'));
  const { id } = (await bake.line(baked, 'the id of the image')).value;
  await bake.succeeded();
  const signed = ['--keys', tracker.keys, '--store', at('store')];
  await run('release', app, 'stable', id, ...signed, ...tracker.operator).succeeded();
  const { token } = await tracker.fleet.createToken({ ...everyApp, roles: ['seeder'] });
  const own = ['--store', at('store'), '--identity', at('seeder.key'), '--app', app];
  const where = ['--tracker', tracker.url, '--host', '127.0.0.1', '--join', token];
  await run('seed', ...own, ...where).line(seeding, 'that it seeds');
}

async function startHost(place: Place, tracker: RunningTracker, name: string) {
  const { token } = await tracker.fleet.createToken({ ...everyApp, roles: ['host'] });
  const own = ['--dir', join(place.directory, name), '--host', '127.0.0.1', '--log-level', 'error'];
  const supply = ['--join', token, '--supply', `BENCH=${join(place.directory, 'told')}`];
  const follow = [
    '--tracker',
    tracker.url,
    '--root',
    tracker.rootPath,
    '--follow',
    `${app}/stable`,
  ];
  return place.start(name, ownProgram('fetcher', 'run', ...follow, ...own, ...supply));
}
