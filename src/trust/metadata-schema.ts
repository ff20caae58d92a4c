import * as z from 'zod';
import { imageIdOf, maxInfoBytes } from '../image/index.ts';
import { channelPart, channelPathSchema } from './channel-path.ts';
import type { DocumentKind } from './refusals.ts';

/** How large the file of each role may be. A file is read whole, so it is bounded. */
export const maxMetadataBytes: Readonly<Record<DocumentKind, number>> = {
  root: 64 * 1024,
  timestamp: 16 * 1024,
  snapshot: 256 * 1024,
  targets: 8 * 1024 * 1024,
  delegated: 1024 * 1024,
};

const maxKeys = 64;
const maxSnapshotFiles = 2_000;
const maxChannels = 20_000;
const maxChannelsOfApp = 2_000;
const maxDelegations = 1_500;
const maxDelegationKeys = 6_000;

const version = z.int().min(1);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is not 64 lower case hexadecimal digits');
const keyId = z.string().regex(/^[0-9a-f]{1,128}$/, 'is not a key id');
const count = (max: number) => (record: object) => Object.keys(record).length <= max;

/** A time as TUF 1.0, "4.2.1. The canonical JSON", writes it: UTC, whole seconds. */
const expires = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'is not a time like 2030-01-31T12:00:00Z')
  .refine((text) => !Number.isNaN(Date.parse(text)), { message: 'is not a time' });

const common = { spec_version: z.string().regex(/^1(\.\d{1,4}){1,2}$/), version, expires };

const role = z.looseObject({
  keyids: z.array(keyId).max(maxKeys),
  threshold: z.int().min(1).max(maxKeys),
});

const keys = (max: number) =>
  z
    .record(
      keyId,
      z.looseObject({
        keytype: z.string().max(100),
        scheme: z.string().max(100),
        keyval: z.looseObject({ public: z.string().max(4_096) }),
      }),
    )
    .refine(count(max), { message: 'has too many keys' });

const rootSigned = z.looseObject({
  _type: z.literal('root'),
  ...common,
  keys: keys(maxKeys),
  roles: z.looseObject({ root: role, timestamp: role, snapshot: role, targets: role }),
  consistent_snapshot: z.literal(true),
});

const metaFile = z.looseObject({
  version,
  length: z.int().min(1).optional(),
  hashes: z.strictObject({ sha256 }).optional(),
});

const timestampSigned = z.looseObject({
  _type: z.literal('timestamp'),
  ...common,
  meta: z.strictObject({ 'snapshot.json': metaFile }),
});

const snapshotSigned = z.looseObject({
  _type: z.literal('snapshot'),
  ...common,
  meta: z
    .record(z.string().max(200), metaFile)
    .refine(count(maxSnapshotFiles), { message: 'names too many files' })
    .refine((meta) => Object.hasOwn(meta, 'targets.json'), {
      message: 'does not name targets.json',
    }),
});

/** How long a plan may be, in characters. */
export const maxPlanCharacters = 4_096;
/** How long what an image needs may be, in characters of JSON. */
const maxNeedsCharacters = 16_384;

/** Types of needs that are not known here are of a newer Starling. */
export const releaseNeeds = z
  .record(z.string().min(1).max(64), z.string().min(1).max(32))
  .refine((needs) => JSON.stringify(needs).length <= maxNeedsCharacters, {
    message: `is longer than ${maxNeedsCharacters} characters of JSON`,
  });

/** What a release says beside the hash; later versions of Starling may say more. */
export const releaseCustom = z.looseObject({
  image: z.string().max(100),
  release: version,
  version: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/, 'is not the version of an image'),
  rollout: z.string().min(1).max(maxPlanCharacters).optional(),
  needs: releaseNeeds.optional(),
});

const target = z
  .looseObject({
    length: z.int().min(1).max(maxInfoBytes),
    hashes: z.strictObject({ sha256 }),
    custom: releaseCustom,
  })
  .refine(({ hashes, custom }) => imageIdOf(Buffer.from(hashes.sha256, 'hex')) === custom.image, {
    path: ['custom', 'image'],
    message: 'is not the image id of the hash',
  });

/** The names that a delegated role can't have: they are files of their own. */
export const topLevelNames: ReadonlySet<string> = new Set([
  'root',
  'timestamp',
  'snapshot',
  'targets',
]);

/**
 * What was released when the app was handed to these keys. It counts until they sign a file of a
 * higher version, and for each channel until they release in it; the release numbers go on from it.
 */
const handover = z.strictObject({
  version: z.int().min(0),
  channels: z
    .record(channelPart, target)
    .refine(count(maxChannelsOfApp), { message: 'has too many channels' }),
});

/** TUF 1.0, "4.5. File formats: targets.json": one app, all of it, and nothing behind it. */
const delegatedRole = z
  .looseObject({
    name: channelPart.refine((name) => !topLevelNames.has(name), {
      message: 'is the name of a top-level role',
    }),
    ...role.shape,
    terminating: z.literal(true),
    paths: z.tuple([z.string()]),
    path_hash_prefixes: z.undefined().optional(),
    handover: handover.optional(),
  })
  .refine(({ name, paths }) => paths[0] === `${name}/*`, {
    path: ['paths'],
    message: 'is not all channels of the app',
  });

const delegations = z.looseObject({
  keys: keys(maxDelegationKeys),
  roles: z.array(delegatedRole).max(maxDelegations),
  succinct_roles: z.undefined().optional(),
});

const targetsSigned = z
  .looseObject({
    _type: z.literal('targets'),
    ...common,
    targets: z
      .record(channelPathSchema, target)
      .refine(count(maxChannels), { message: 'has too many channels' }),
    delegations: delegations.optional(),
  })
  .refine(
    ({ targets, delegations: { roles } = { roles: [] } }) => {
      const delegated = new Set(roles.map(({ name }) => name));
      return !Object.keys(targets).some((path) => delegated.has(path.split('/')[0] ?? ''));
    },
    { path: ['targets'], message: 'has a channel of an app that it delegates' },
  );

/** What the keys of a delegated role sign: releases, and no further delegation. */
const delegatedSigned = z.looseObject({
  _type: z.literal('targets'),
  ...common,
  targets: z
    .record(channelPathSchema, target)
    .refine(count(maxChannelsOfApp), { message: 'has too many channels' }),
  delegations: z.undefined().optional(),
});

/**
 * Signatures in one spelling only: hexadecimal digits are lower case, so that no byte of a file can
 * be changed without being noticed.
 */
const signatures = z
  .array(z.strictObject({ keyid: keyId, sig: z.string().regex(/^[0-9a-f]{0,4096}$/) }))
  .max(maxKeys);

/** What each role's file looks like: TUF 1.0, "4. Document formats". */
export const metadataSchemas = {
  root: z.strictObject({ signed: rootSigned, signatures }),
  timestamp: z.strictObject({ signed: timestampSigned, signatures }),
  snapshot: z.strictObject({ signed: snapshotSigned, signatures }),
  targets: z.strictObject({ signed: targetsSigned, signatures }),
  delegated: z.strictObject({ signed: delegatedSigned, signatures }),
};

/** What is asked of files beyond TUF's own rules. */
export interface MetadataForm {
  readonly schemas: Readonly<Record<DocumentKind, z.ZodType<{ readonly signed: object }>>>;
  /** Whether targets are releases: their numbers go forward, and an app's keys sign that app. */
  readonly areReleases: boolean;
}

/** The form of our own repositories. */
export const releaseForm: MetadataForm = { schemas: metadataSchemas, areReleases: true };

export type SignedBy = {
  readonly [R in DocumentKind]: z.output<(typeof metadataSchemas)[R]>['signed'];
};
export type MetaFileEntry = z.output<typeof metaFile>;
export type TargetEntry = z.output<typeof target>;
export type DelegatedRoleEntry = z.output<typeof delegatedRole>;
export type Handover = z.output<typeof handover>;
