import * as z from 'zod';
import type { MetadataForm } from '../../../src/trust/metadata-schema.ts';

/**
 * The form of any TUF 1.0 repository ("4. Document formats"), where ours is that of a repository of
 * releases: any target paths, kinds of keys and delegations. All other checks of src/trust are as for
 * releases.
 */
const common = {
  spec_version: z.string().regex(/^1\./),
  version: z.int().min(1),
  expires: z.string(),
};
const role = z.looseObject({ keyids: z.array(z.string()), threshold: z.int().min(1) });
const metaFile = z.looseObject({
  version: z.int().min(1),
  length: z.int().min(0).optional(),
  hashes: z.record(z.string(), z.string()).optional(),
});
const signed = {
  root: z.looseObject({
    _type: z.literal('root'),
    ...common,
    keys: z.record(z.string(), z.looseObject({})),
    roles: z.looseObject({ root: role, timestamp: role, snapshot: role, targets: role }),
    consistent_snapshot: z.boolean(),
  }),
  timestamp: z.looseObject({
    _type: z.literal('timestamp'),
    ...common,
    meta: z.looseObject({ 'snapshot.json': metaFile }),
  }),
  snapshot: z.looseObject({
    _type: z.literal('snapshot'),
    ...common,
    meta: z.record(z.string(), metaFile),
  }),
  targets: z.looseObject({
    _type: z.literal('targets'),
    ...common,
    targets: z.record(z.string(), z.looseObject({ length: z.int().min(0) })),
  }),
};
const signatures = z.array(z.looseObject({ keyid: z.string(), sig: z.string() }));
const file = <T extends z.ZodObject>(inner: T) => z.looseObject({ signed: inner, signatures });

export const anyTufForm: MetadataForm = {
  schemas: {
    root: file(signed.root),
    timestamp: file(signed.timestamp),
    snapshot: file(signed.snapshot),
    targets: file(signed.targets),
    delegated: file(signed.targets),
  },
  areReleases: false,
};
