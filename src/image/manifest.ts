import { ImageError } from '../errors.ts';
import type { Manifest } from './manifest-schema.ts';

/** Where the manifest lies in an image's tree. */
export const manifestPath = '.starling/image.json';

/** A manifest is read whole, so it is bounded. */
export const maxManifestBytes = 1 << 20;

/** It is walked by recursion, so its depth is bounded too. */
const maxNesting = 64;

/**
 * Reads a manifest. Defaults are filled in.
 * @throws ImageError IMAGE_MANIFEST that names each field that is wrong.
 */
export const parseManifest = async (bytes: Uint8Array): Promise<Manifest> =>
  checkManifest(parseJsonObject(bytes));

/**
 * Reads a manifest that may still lack what is given to bake.
 * @throws ImageError IMAGE_MANIFEST when it is not a JSON object, or too large.
 */
export function parseJsonObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    if (bytes.length > maxManifestBytes) {
      throw new Error(`it is ${bytes.length} bytes long, ${maxManifestBytes} are allowed`);
    }
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new Error('it is no object');
    }
    return value as Record<string, unknown>;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ImageError('IMAGE_MANIFEST', `${manifestPath} is not a JSON object: ${why}`, {
      cause,
    });
  }
}

/**
 * Checks a value against the schema of a manifest. The schema is loaded here: a host that fetches
 * comes to its first manifest last of all.
 * @throws ImageError IMAGE_MANIFEST that names each field that is wrong.
 */
export async function checkManifest(value: unknown): Promise<Manifest> {
  if (nestsDeeperThan(maxNesting, value)) {
    throw new ImageError(
      'IMAGE_MANIFEST',
      `${manifestPath} is refused: it nests deeper than ${maxNesting}`,
    );
  }
  const { manifestSchema } = await import('./manifest-schema.ts');
  const result = manifestSchema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map(
    (issue) =>
      `${issue.path.length > 0 ? issue.path.map(String).join('.') : 'it'}: ${issue.message}`,
  );
  throw new ImageError('IMAGE_MANIFEST', `${manifestPath} is refused: ${faults.join('; ')}`, {
    evidence: { faults },
  });
}

function nestsDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((inner) => nestsDeeperThan(levels - 1, inner));
}

/** The bytes of a manifest: the same for the same values, on every machine. */
export function serializeManifest(manifest: Manifest): Uint8Array {
  return Buffer.from(`${JSON.stringify(sortKeys(manifest), null, 2)}\n`, 'utf8');
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sortKeys(inner)]),
  );
}
