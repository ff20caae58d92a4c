import { writeFile } from 'node:fs/promises';
import { Identity } from '../../src/trust/index.ts';

/**
 * Writes a members file that names the hosts with these identities.
 * @param identities their files; made where they are missing
 * @returns their peer ids
 */
export async function writeMembers(path: string, identities: readonly string[]): Promise<string[]> {
  const opened = await Promise.all(identities.map((identity) => Identity.open(identity)));
  const peerIds = opened.map(({ peerId }) => peerId);
  await writeFile(path, peerIds.map((peerId) => `${peerId}\n`).join(''));
  return peerIds;
}
