import { join } from 'node:path';
import { FleetClient, TrackerClient } from '../../../../src/api/index.ts';
import { Identity } from '../../../../src/trust/sealed.ts';
import { createPublisher, runTracker, temporaryDirectory } from '../running-tracker.ts';

/** A tracker that has a fleet's key, and an operator's client of it. */
export async function runFleetTracker() {
  const directory = await temporaryDirectory();
  const { peerId: fleetId } = await Identity.open(join(directory, 'fleet.key'));
  const control = { host: '127.0.0.1', port: 0, credentialMs: 60_000 };
  const { rootPath } = await createPublisher();
  const { tracker, token } = await runTracker({ directory, rootPath, control, udp: false });
  const client = new TrackerClient({}, { url: tracker.url, token });
  return { tracker, fleetId, client, fleet: new FleetClient({ tracker: client }) };
}
