import * as z from 'zod';

/** Values of needs, as the fleet keeps them, as an app reads them, and as an operator sees them. */

/** A name, or a name for the hosts of one zone. */
const valueKeySchema = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}(?:@[\w.-]{1,64})?$/, 'is no NAME or NAME@ZONE');

/** With all else that a message of the control plane has, its values stay below 256 KiB. */
const maxValuesCharacters = 240 * 1024;

/**
 * What the fleet says of the needs of one app, for all zones, at a revision. Values become texts,
 * whatever they were: of which type one must be, the image says.
 */
export const fleetSettingsSchema = z.strictObject({
  revision: z.int().min(0),
  values: z
    .record(valueKeySchema, z.union([z.string(), z.number(), z.boolean()]).transform(String))
    .refine((values) => JSON.stringify(values).length <= maxValuesCharacters, {
      message: `are longer than ${maxValuesCharacters} characters of JSON`,
    }),
});

const typedValueSchema = z.object({
  type: z.enum(['string', 'url', 'endpoint', 'port', 'number', 'boolean']),
  value: z.union([z.string(), z.number(), z.boolean()]),
});

/** The values that an app needs, by name; `revision` is 0 until the fleet has said anything. */
const appValues = { revision: z.int().min(0), values: z.record(z.string(), typedValueSchema) };

/** `GET /v1/settings` on the socket of an app, and the event `settings`. */
export const appSettingsSchema = z.object({
  app: z.string(),
  channel: z.string(),
  generation: z.int(),
  version: z.string(),
  ...appValues,
  /** Behaviour: what the manifest says. */
  settings: z.record(z.string(), z.json()),
});

/** The event `change` on the socket of an app: all values, those too that stayed as they were. */
export const appValuesSchema = z.object(appValues);

const needStatusSchema = z.object({
  name: z.string(),
  type: z.string(),
  /** What the app has. */
  value: z.union([z.string(), z.number(), z.boolean()]).optional(),
  /** Where that comes from, or would. */
  source: z.enum(['zone', 'fleet', 'supply', 'default']).optional(),
  /** Why the app has not what the fleet says: it keeps what it had. */
  fault: z.string().optional(),
});

/** `GET /v1/settings` on the operator's socket: what holds on this host. */
export const hostSettingsSchema = z.object({
  apps: z.array(
    z.object({
      app: z.string(),
      revision: z.int(),
      /** As the fleet says it, for all zones. */
      values: z.record(z.string(), z.string()),
      channels: z.array(
        z.object({
          channel: z.string(),
          generation: z.int().optional(),
          /** How many are told of changes. */
          watchers: z.int(),
          needs: z.array(needStatusSchema),
        }),
      ),
    }),
  ),
});

export type FleetSettings = z.output<typeof fleetSettingsSchema>;
/** As they may come. */
export type GivenSettings = z.input<typeof fleetSettingsSchema>;
export type AppSettingsDocument = z.output<typeof appSettingsSchema>;
export type AppValues = z.output<typeof appValuesSchema>;
export type HostSettings = z.output<typeof hostSettingsSchema>;
