import { pino } from 'pino';
import { AppSettings } from '../../../../fetcher/settings/app-settings.ts';
import { durable } from '../../../../src/image/index.ts';

/**
 * A host in small, for a test that kills it: takes revision after revision, as fast as its disk does,
 * and says each that is on disk.
 *
 *     node applying-host.ts PATH
 */
const [path = ''] = process.argv.slice(2);
const settings = await AppSettings.open(
  { durability: durable, log: pino({ level: 'silent' }) },
  { app: 'web', path, zone: '', supplies: new Map(), keepAfterMs: 0 },
);
for (let revision = settings.revision + 1; ; revision++) {
  await settings.apply({ revision, values: { DB: `http://db-${revision}/`.repeat(500) } });
  process.stdout.write(`${JSON.stringify({ revision })}\n`);
}
