import * as z from 'zod';

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
