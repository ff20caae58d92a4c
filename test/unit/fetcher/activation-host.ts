import { pino } from 'pino';
import { Activation } from '../../../fetcher/activation.ts';
import { durable, readManifest } from '../../../src/image/index.ts';

/**
 * A fetcher in small, for tests that kill it: activates the trees it is given, in turn, for ever
 * or once, and says what it does.
 *
 *     node activation-host.ts DIRECTORY OUT once|forever TREE…
 */
const [directory = '', out = '', mode = '', ...trees] = process.argv.slice(2);
const { signal } = new AbortController();
const activation = new Activation(
  {
    durability: durable,
    log: pino({ level: 'silent' }),
    now: () => new Date(),
    random: Math.random,
  },
  {
    directory,
    app: 'web',
    channel: 'stable',
    supplies: new Map([['OUT', out]]),
    keepGenerations: 2,
    config: { settleMs: 5 },
  },
);
await activation.open({ signal });
process.stdout.write('open\n');
do {
  for (const tree of trees) {
    const manifest = await readManifest(tree);
    const { version } = manifest;
    await activation.activate(
      { imageId: `bimage${version}`, tree, manifest, release: Number(version), version },
      { signal },
    );
    process.stdout.write(`active ${activation.status().pid ?? 0}\n`);
    await activation.prune({ signal });
  }
} while (mode === 'forever');
