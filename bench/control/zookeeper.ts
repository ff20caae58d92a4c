import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import zookeeper from 'node-zookeeper-client';
import { freePort, isInstalled, type Place } from '../process/index.ts';
import { CallbackLog } from './callback-log.ts';
import { firstValue, startMs, type RunningPlane } from './control-plane.ts';

const jar = '/usr/share/java/zookeeper.jar';
const settings = '/etc/zookeeper/conf';
const path = '/db';

/** Why it can't run on this machine; undefined when it can. */
export function missingZookeeper(): string | undefined {
  if (!existsSync(jar)) return `there is no ${jar}: Debian's zookeeper is not installed`;
  return isInstalled('java', '-version') ? undefined : 'java is not installed';
}

/** One ZooKeeper, and clients that watch one node of it, each a process of its own. */
export async function startZookeeper(
  place: Place,
  { hosts: count }: { readonly hosts: number },
): Promise<RunningPlane> {
  await using resources = new AsyncDisposableStack();
  const log = resources.use(await CallbackLog.listen(join(place.directory, 'told-by-zookeeper')));
  const port = await freePort();
  const server = await startServer(place, port);
  const client = await connectZookeeper(port, place);
  resources.defer(() => {
    client.close();
  });
  const create = Promise.withResolvers<undefined>();
  client.create(path, Buffer.from(firstValue), (error) => {
    if (error) create.reject(error);
    else create.resolve(undefined);
  });
  await create.promise;
  const watcher = join(import.meta.dirname, 'zookeeper-watcher.ts');
  const args = [`127.0.0.1:${port}`, path, join(place.directory, 'told-by-zookeeper')];
  const hosts = Array.from({ length: count }, (_, index) =>
    place.start(`watcher-${index + 1}`, [process.execPath, watcher, ...args]),
  );
  const told: RunningPlane['told'] = (value, options) => log.untilTold(value, count, options);
  const soon = AbortSignal.any([place.signal, AbortSignal.timeout(startMs)]);
  await told(firstValue, { signal: soon });
  const running = resources.move();
  return {
    name: 'zookeeper',
    ours: false,
    server,
    hosts,
    change: (value) =>
      new Promise((resolve, reject) => {
        client.setData(path, Buffer.from(value), (error) => {
          if (error) reject(error);
          else resolve();
        });
      }),
    told,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function startServer(place: Place, port: number) {
  const directory = join(place.directory, 'zookeeper');
  await mkdir(directory);
  const config = join(directory, 'zoo.cfg');
  const lines = [
    'tickTime=2000',
    `dataDir=${directory}`,
    `clientPort=${port}`,
    'clientPortAddress=127.0.0.1',
    'admin.enableServer=false',
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
  const server = place.start('zookeeper', ['java', '-cp', `${settings}:${jar}`, main, config]);
  await untilServing(port, place);
  return server;
}

const answerMs = 1_000;

/** It listens before it serves, and who connects in between is never answered: so it is asked again. */
async function untilServing(port: number, { signal }: { signal: AbortSignal }): Promise<void> {
  for (;;) {
    const soon = AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
    const socket = connect({ port, host: '127.0.0.1', signal: soon });
    socket.end('srvr');
    const said = await text(socket).catch(() => '');
    if (said.includes('Mode:')) return;
    await delay(50, undefined, { signal });
  }
}

async function connectZookeeper(
  port: number,
  { signal }: { signal: AbortSignal },
): Promise<zookeeper.Client> {
  const client = zookeeper.createClient(`127.0.0.1:${port}`);
  const connected = once(client, 'connected', { signal });
  client.connect();
  await connected;
  return client;
}
