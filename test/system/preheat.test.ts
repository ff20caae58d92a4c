import { expect, test } from 'vitest';
import { eventually } from '../tools/eventually.ts';
import { seededBytes } from '../tools/seeded-random.ts';
import { writeTree } from '../tools/tree-sketch.ts';
import { failureOf, resultOf, type JsonObject } from './ended-program.ts';
import { FleetPrograms } from './fleet-programs.ts';
import type { ProgramEvent, RunningProgram } from './running-program.ts';

/** An image whose bytes are mostly its own. */
async function bake(fleet: FleetPrograms, version: string): Promise<string> {
  const tree = fleet.at(`tree-${version}`);
  await writeTree(tree, {
    'app.cjs': 'setInterval(() => undefined, 60_000);',
    'payload.bin': seededBytes(Number(version), 1_000_000),
    '.starling/image.json': JSON.stringify({
      ...{ name: 'web', version, kind: 'tree', start: [process.execPath, 'app.cjs'] },
      needs: { OUT: { type: 'string' } },
    }),
  });
  return await fleet.bake(tree);
}

const swarmsOf = (host: RunningProgram, imageId: string): JsonObject[] =>
  host.events.flatMap(({ event, swarm }) =>
    event === 'swarm' && (swarm as JsonObject).imageId === imageId ? [swarm as JsonObject] : [],
  );

const isActive =
  (imageId: string) =>
  ({ event, release }: ProgramEvent): boolean =>
    event === 'active' && (release as JsonObject).imageId === imageId;

test('the hosts of a rack have an image before it is released, and then activate it without fetching', async () => {
  const fleet = await FleetPrograms.start();
  const old = await bake(fleet, '1');
  const next = await bake(fleet, '2');
  await fleet.release(old);
  await fleet.seed();
  const join = (rack: string) => fleet.tokenFor('--app', 'web', '--label', `rack=${rack}`);
  const first = fleet.host('first', await join('r1'));
  const second = fleet.host('second', await join('r2'));
  await Promise.all([first, second].map((host) => host.until('the old image', isActive(old))));

  const store = ['--store', fleet.at('store')];
  const preheat = (...args: readonly string[]) =>
    resultOf('seeder', ['preheat', next, ...args, ...store, ...fleet.operator]);
  const unknown = await failureOf('seeder', [
    ...['preheat', next, '--status', ...store, ...fleet.operator],
  ]);
  expect(unknown.message).toContain('is not preheated');
  expect(await preheat('--to', 'rack=r1')).toMatchObject({ hosts: 1, unreachable: 0 });
  await eventually('the host of the rack has the image', async () => {
    const { hosts, complete, labels } = await preheat('--status');
    expect({ hosts, labels }).toEqual({ hosts: 1, labels: { rack: 'r1' } });
    return complete === 1 ? true : undefined;
  });
  await first.until('that it has all of it', ({ event, swarm }) => {
    const { imageId, verifiedBytes, sizeBytes } = (swarm ?? {}) as JsonObject;
    return event === 'swarm' && imageId === next && verifiedBytes === sizeBytes;
  });
  expect(swarmsOf(second, next)).toEqual([]);
  expect(first.events.some(isActive(next))).toBe(false);

  const fetchedBefore = swarmsOf(first, next).at(-1)?.receivedBytes;
  await fleet.release(next);
  await Promise.all([first, second].map((host) => host.until('the new image', isActive(next))));
  expect(swarmsOf(first, next).at(-1)?.receivedBytes).toBe(fetchedBefore);
  expect(swarmsOf(second, next).length).toBeGreaterThan(0);
});
