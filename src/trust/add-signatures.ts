import { canonicalize } from '@tufjs/canonical-json';
import * as z from 'zod';
import { ConfigError } from '../errors.ts';
import { maxMetadataBytes } from './metadata-schema.ts';
import type { SigningKey } from './signing-key.ts';

const signedFile = z.strictObject({
  signed: z.record(z.string(), z.unknown()),
  signatures: z.array(z.strictObject({ keyid: z.string(), sig: z.string() })).max(64),
});

/**
 * Adds the signatures of more keys to a metadata file that others have begun to sign; one key signs
 * once. Whether these keys may sign it, and whether it is enough, is for who reads it.
 * @returns the file, whose signed part is as it was
 * @throws ConfigError CONFIG_INVALID when the file is no metadata
 */
export function addSignatures(text: string, keys: readonly SigningKey[]): string {
  const { signed, signatures } = parse(text);
  const bytes = Buffer.from(canonicalize(signed));
  const byKey = new Map(signatures.map((signature) => [signature.keyid, signature]));
  for (const { key, signer } of keys) {
    byKey.set(key.keyID, { keyid: key.keyID, sig: signer(bytes).sig });
  }
  return JSON.stringify({ signatures: [...byKey.values()], signed });
}

function parse(text: string): z.output<typeof signedFile> {
  try {
    if (Buffer.byteLength(text) > maxMetadataBytes.targets) throw new Error('it is too large');
    return signedFile.parse(JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('CONFIG_INVALID', `The file to sign is no TUF metadata: ${why}`, {
      cause,
    });
  }
}
