import * as z from 'zod';
import { ImageError } from '../errors.ts';

/** Where the manifest lies in an image's tree. */
export const manifestPath = '.starling/image.json';

/** A manifest is read whole, so it is bounded. */
export const maxManifestBytes = 1 << 20;

/** It is walked by recursion, so its depth is bounded too. */
const maxNesting = 64;

const milliseconds = z.int().min(1).max(86_400_000);
const needName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'letters, digits and _, 64 at most, no digit first');

const probe = {
  /** Time between two probes. */
  intervalMs: milliseconds.default(1_000),
  /** How long one probe may take. */
  timeoutMs: milliseconds.default(1_000),
  /** How many probes in a row must pass. */
  successes: z.int().min(1).max(1_000).default(1),
  /** How long after start the image may take until it is healthy; then it is given up. */
  deadlineMs: milliseconds.default(30_000),
};

const health = z.discriminatedUnion('type', [
  /** `GET url` must answer 2xx. */
  z.strictObject({ type: z.literal('http'), url: z.string().min(1).max(2_048), ...probe }),
  /** A TCP connection must be accepted. */
  z.strictObject({
    type: z.literal('tcp'),
    host: z.string().min(1).max(255).default('127.0.0.1'),
    port: z.union([z.int().min(1).max(65_535), z.string().min(1).max(80)]),
    ...probe,
  }),
  /** A command, run in the image's tree, must exit with 0. */
  z.strictObject({
    type: z.literal('exec'),
    command: z.array(z.string().min(1).max(4_096)).min(1).max(256),
    ...probe,
  }),
]);

const need = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.enum(['string', 'url', 'endpoint']),
    default: z.string().max(4_096).optional(),
  }),
  z.strictObject({ type: z.literal('port'), default: z.int().min(1).max(65_535).optional() }),
  z.strictObject({ type: z.literal('number'), default: z.number().optional() }),
  z.strictObject({ type: z.literal('boolean'), default: z.boolean().optional() }),
]);

const isPathPart = (part: string): boolean =>
  !['', '.', '..'].includes(part) && !part.includes('\0') && Buffer.byteLength(part) <= 255;

const relativePath = z
  .string()
  .min(1)
  .max(4_096)
  .refine((path) => path.split('/').every(isPathPart), {
    message: 'a path below the tree, without empty parts, . or .., NUL or names over 255 bytes',
  });

/**
 * The schema of `.starling/image.json`. Unknown keys are refused, so that a misspelt one is seen
 * when it is baked and not when it is missed.
 */
export const manifestSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'lower case letters, digits, . _ and -, 100 at most'),
  version: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/, 'letters, digits, . _ + and -, 100 at most'),
  kind: z.enum(['tree', 'oci', 'disk']).default('tree'),
  /** The program and its arguments; the program is looked up in the tree, then in PATH. */
  start: z.array(z.string().min(1).max(4_096)).min(1).max(256).optional(),
  health: health.optional(),
  stop: z
    .strictObject({
      signal: z.enum(['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']),
      graceMs: milliseconds.default(10_000),
    })
    .partial({ signal: true })
    .optional(),
  /** Behaviour: values that are compiled in. */
  settings: z.record(z.string().min(1).max(200), z.json()).optional(),
  /** What must be supplied when it runs: `${NAME}` in `start` and `health` stands for its value. */
  needs: z.record(needName, need).optional(),
  labels: z.record(z.string().min(1).max(200), z.string().max(2_048)).optional(),
  /** Directories with nothing in them, which BitTorrent can't carry; written by bake. */
  emptyDirectories: z.array(relativePath).max(100_000).optional(),
});

export type Manifest = z.output<typeof manifestSchema>;
export type Health = z.output<typeof health>;
export type Need = z.output<typeof need>;

/**
 * Reads a manifest. Defaults are filled in.
 * @throws ImageError IMAGE_MANIFEST that names each field that is wrong.
 */
export const parseManifest = (bytes: Uint8Array): Manifest => checkManifest(parseJsonObject(bytes));

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
 * Checks a value against the schema of a manifest.
 * @throws ImageError IMAGE_MANIFEST that names each field that is wrong.
 */
export function checkManifest(value: unknown): Manifest {
  if (nestsDeeperThan(maxNesting, value)) {
    throw new ImageError(
      'IMAGE_MANIFEST',
      `${manifestPath} is refused: it nests deeper than ${maxNesting}`,
    );
  }
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
