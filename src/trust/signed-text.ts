import { Metadata } from '@tufjs/models';
import type { Root, Snapshot, Targets, Timestamp } from '@tufjs/models';
import type { SigningKey } from './signing-key.ts';

/** The version of TUF's specification that we write. */
export const specVersion = '1.0.31';

/**
 * Signs what a metadata file says, and gives the file. It has no white space, so that every byte
 * counts.
 */
export function signedText(
  signed: Root | Snapshot | Targets | Timestamp,
  keys: readonly SigningKey[],
): string {
  const metadata = new Metadata(signed);
  for (const { signer } of keys) metadata.sign(signer);
  return JSON.stringify(metadata.toJSON());
}

/** A time in TUF's form: UTC, whole seconds. */
export function expiryText(now: Date, afterMs: number): string {
  return `${new Date(now.getTime() + afterMs).toISOString().slice(0, 19)}Z`;
}
