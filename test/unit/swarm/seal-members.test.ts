import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Seal } from '../../../src/swarm/seal.ts';
import { Identity } from '../../../src/trust/index.ts';
import { newSealedHost } from '../../tools/sealed-host.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

async function openSeal() {
  const directory = await temporaryDirectory();
  const [identityPath, membersPath] = [join(directory, 'key'), join(directory, 'members')];
  const { peerId } = await newSealedHost();
  await writeFile(membersPath, `${peerId} # another host\n`);
  const warnings: string[] = [];
  const open = async () => {
    const seal = await Seal.open({
      identityPath,
      membersPath,
      onWarning: (message) => warnings.push(message),
    });
    onTestFinished(() => seal[Symbol.asyncDispose]());
    return seal;
  };
  return { open, peerId, identityPath, membersPath, warnings };
}

test('a host keeps its identity, and its members are those of the file', async () => {
  const { open, peerId, identityPath } = await openSeal();
  const [seal, again] = [await open(), await open()];
  expect(seal.peerId).toBe((await Identity.open(identityPath)).peerId);
  expect(again.peerId).toBe(seal.peerId);
  expect([...seal.members]).toEqual([peerId]);
  // Who has the ticket keys of one start can't go on at the next.
  expect(Buffer.from(again.tls.ticketKeys).equals(seal.tls.ticketKeys)).toBe(false);
});

test('who belongs changes with the file, and is told', async () => {
  const { open, membersPath } = await openSeal();
  const seal = await open();
  const { peerId } = await newSealedHost();
  const events = new EventTarget();
  seal.onChange = (members) => {
    events.dispatchEvent(new CustomEvent('change', { detail: [...members] }));
  };
  await writeFile(`${membersPath}.new`, `${peerId}\n`);
  const change = once(events, 'change') as Promise<[CustomEvent<string[]>]>;
  await rename(`${membersPath}.new`, membersPath);
  const [event] = await change;
  expect(event.detail).toEqual([peerId]);
  expect([...seal.members]).toEqual([peerId]);
});

test('without a members file there is no seal', async () => {
  const { identityPath, membersPath } = await openSeal();
  await expect(
    Seal.open({ identityPath, membersPath: `${membersPath}.missing` }),
  ).rejects.toMatchObject({ code: 'CONFIG_MISSING' });
});
