import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { addTransportOptions, Command, openTransport } from '../../../src/cli/index.ts';
import { Identity } from '../../../src/trust/index.ts';
import { FleetKey } from '../../tools/fleet-key.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

/** Where a host stands whose credential has these labels, and that was started with these options; and what was said. */
async function standing(labels: Record<string, string>, ...args: readonly string[]) {
  const directory = await temporaryDirectory();
  const identityPath = join(directory, 'identity.key');
  const { peerId } = await Identity.open(identityPath);
  const fleet = new FleetKey();
  const credential = join(directory, 'credential');
  await writeFile(credential, fleet.issue(peerId, { labels }));
  const member = ['--fleet', fleet.fleetId, '--credential', credential];
  const command = addTransportOptions(new Command().exitOverride());
  const resources = new AsyncDisposableStack();
  onTestFinished(() => resources.disposeAsync());
  const warnings: string[] = [];
  const { place } = await openTransport(
    command.parse([...member, ...args], { from: 'user' }).opts(),
    identityPath,
    resources,
    (message) => warnings.push(message),
  );
  return { place, warnings };
}

test('a host stands where its credential says, and else where it was told', async () => {
  expect(await standing({ zone: 'eu' }, '--rack', 'r7')).toEqual({
    place: { zone: 'eu', rack: 'r7' },
    warnings: [],
  });
  const { place, warnings } = await standing({ zone: 'eu', rack: 'r1' }, '--zone', 'us');
  expect(place).toEqual({ zone: 'eu', rack: 'r1' });
  expect(warnings).toEqual([expect.stringMatching(/zone eu.*--zone us/)]);
});
