/**
 * A process of many-swarms.test.ts: fetches many images at once from several seeders, sealed, and says
 * how many connections it had at most and how much memory.
 *
 *     node many-swarms-child.ts DIRECTORY IDENTITY MEMBERS PORT[,PORT…] IMAGE…
 */
import { readFileSync } from 'node:fs';
import { durable, ImageStore } from '../../src/image/index.ts';
import { Exchange, Seal } from '../../src/swarm/index.ts';

const [directory = '', identityPath = '', membersPath = '', ports = '', ...images] =
  process.argv.slice(2);

const memoryMib = (field: 'VmHWM'): number => {
  const line = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(line?.[1]) / 1_024;
};

async function run(): Promise<void> {
  await using seal = await Seal.open({ identityPath, membersPath });
  let connections = 0;
  await using exchange = await Exchange.open(
    {
      store: new ImageStore({ durability: durable }, { directory }),
      durability: durable,
      random: Math.random,
      now: () => performance.now(),
    },
    {
      host: '127.0.0.1',
      seal,
      threads: 1,
      onChange: () => {
        const now = exchange.status().reduce((sum, { peers }) => sum + peers, 0);
        connections = Math.max(connections, now);
      },
    },
  );
  const swarms = images.map((imageId) => {
    const swarm = exchange.fetch(imageId);
    for (const port of ports.split(',')) {
      exchange.addEndpoint(imageId, { host: '127.0.0.1', port: Number(port) });
    }
    return swarm;
  });
  await Promise.all(swarms.map(({ completed }) => completed));
  const result = { images: swarms.length, connections, peakMib: memoryMib('VmHWM') };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

await run();
