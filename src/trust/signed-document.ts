import { Metadata, MetadataKind } from '@tufjs/models';
import type { Root, Snapshot, Targets, Timestamp } from '@tufjs/models';
import {
  maxMetadataBytes,
  releaseForm,
  type MetadataForm,
  type SignedBy,
} from './metadata-schema.ts';
import { malformed, type DocumentKind } from './refusals.ts';

interface Models {
  readonly root: Root;
  readonly timestamp: Timestamp;
  readonly snapshot: Snapshot;
  readonly targets: Targets;
  readonly delegated: Targets;
}

/** A file of the repository that has the right form. Nothing is said about who signed it. */
export interface SignedDocument<R extends DocumentKind> {
  readonly role: R;
  /** The name of its role: that of the app, where it is delegated. */
  readonly name: string;
  readonly form: MetadataForm;
  /** Exactly what was signed and hashed. */
  readonly text: string;
  readonly signed: SignedBy[R];
  readonly metadata: Metadata<Models[R]>;
}

/** How deep metadata may nest; TUF's own formats need seven. */
const maxDepth = 32;
const maxFaultsTold = 5;

const models: { readonly [R in DocumentKind]: (data: never) => Metadata<Models[R]> } = {
  root: (data) => Metadata.fromJSON(MetadataKind.Root, data),
  timestamp: (data) => Metadata.fromJSON(MetadataKind.Timestamp, data),
  snapshot: (data) => Metadata.fromJSON(MetadataKind.Snapshot, data),
  targets: (data) => Metadata.fromJSON(MetadataKind.Targets, data),
  delegated: (data) => Metadata.fromJSON(MetadataKind.Targets, data),
};

/**
 * Bytes as text.
 * @throws RepositoryError REPOSITORY_MALFORMED when there are too many, or they are not UTF-8.
 */
export function decodeMetadata(role: DocumentKind, bytes: Uint8Array, name: string = role): string {
  checkSize(role, name, bytes.length);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw malformed(name, 'it is not text in UTF-8', { cause });
  }
}

/**
 * Reads the file of a role, bounded in size and depth and checked against its schema.
 * @throws RepositoryError REPOSITORY_MALFORMED
 */
export function readDocument<R extends DocumentKind>(
  role: R,
  text: string,
  init: { readonly name?: string; readonly form?: MetadataForm } = {},
): SignedDocument<R> {
  const { name = role, form = releaseForm } = init;
  checkSize(role, name, Buffer.byteLength(text));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed(name, 'it is not a JSON document', { cause });
  }
  checkDepth(name, value, 0);
  const result = form.schemas[role].safeParse(value);
  if (!result.success) {
    const faults = result.error.issues
      .slice(0, maxFaultsTold)
      .map((issue) => `${issue.path.map(String).join('.') || 'it'}: ${issue.message}`);
    throw malformed(name, faults.join('; '), { expected: `metadata of ${name}`, actual: faults });
  }
  try {
    // The schema's result is one of five shapes; `role` says which.
    const signed = result.data.signed as SignedBy[R];
    return { role, name, form, text, signed, metadata: models[role](value as never) };
  } catch (cause) {
    throw malformed(name, cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function checkSize(role: DocumentKind, name: string, sizeBytes: number): void {
  const max = maxMetadataBytes[role];
  if (sizeBytes <= max) return;
  throw malformed(name, `it is more than ${max} bytes long, which are allowed`, {
    expected: max,
    actual: sizeBytes,
  });
}

function checkDepth(name: string, value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth >= maxDepth) throw malformed(name, `it nests more than ${maxDepth} levels deep`);
  // The models copy keys into plain objects, where this one would not be a key.
  if (Object.hasOwn(value, '__proto__')) throw malformed(name, 'it has a key "__proto__"');
  for (const inner of Object.values(value)) checkDepth(name, inner, depth + 1);
}
