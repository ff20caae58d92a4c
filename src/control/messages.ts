import * as z from 'zod';
import { PeerError } from '../errors.ts';
import { decodeFrame } from './frames.ts';

/**
 * What a host and a tracker say to each other in a session. Messages of a type that is not known here
 * are ignored, and so are fields: what is added later must be safe to ignore, what is not gets a new
 * protocol id. A known type with a wrong field ends the session.
 */
export const sessionProtocol = '/starling/session/1';
/** Said in `hello`: what of this version's messages the host understands. */
export const messageVersion = 1;
/** The longest message, in bytes of JSON. */
export const maxMessageBytes = 256 * 1024;

/** A credential's text is below this. */
export const maxCredentialChars = 4_096;

const name = z.string().min(1).max(100);
const revision = z.int().nonnegative();
const credentialText = z.string().min(1).max(maxCredentialChars);
const revocationsText = z
  .string()
  .min(1)
  .max(maxMessageBytes - 1_024);
const address = z.string().min(1).max(300);
const map = <T extends z.ZodType>(value: T, maxKeys: number) =>
  z.record(name, value).refine((all) => Object.keys(all).length <= maxKeys, 'too many keys');
const channel = { app: name, channel: name };

const imageId = z.string().min(1).max(200);

/** How a channel is on a host; `HostReport` of src/policy says what each of this means to a rollout. */
export const channelReportSchema = z.object({
  ...channel,
  /** Grows with every report of a host, also over its restarts. */
  number: z.int().nonnegative(),
  /** The highest epoch that it has heard of, and that it has acted on. */
  epoch: z.int().nonnegative(),
  acted: z.int().nonnegative(),
  /** The image id that is current, or is being activated; none: nothing was ever healthy here. */
  release: imageId.optional(),
  generation: z.int().nonnegative().optional(),
  state: z.enum(['empty', 'activating', 'healthy', 'failed', 'wentBack']),
  /** The image id of the newest release, once all of it is here. */
  prefetched: imageId.optional(),
  /** Which needs of that image are not met: it can't be activated before they are. */
  unmet: z.array(name).max(64).optional(),
  /** Why the newest release is not what runs, for people. */
  reason: z.string().max(300).optional(),
  /** Which of the images of the app that it was told to preheat are all here. */
  preheated: z.array(imageId).max(64).optional(),
});

const permit = z.object({
  ...channel,
  release: z.string().min(1).max(200),
  action: z.enum(['activate', 'hold', 'goBack']),
  /** A permit of an older epoch is void. */
  epoch: z.int().nonnegative(),
  /** Until when it may be acted upon, by the tracker's lease time; where it is handed on, by the host's. */
  validUntil: z.iso.datetime().optional(),
});

const hostSchemas = {
  hello: z.object({
    type: z.literal('hello'),
    protocol: z.int().positive(),
    /** Of the program, for people. */
    version: z.string().max(100),
    follows: z.array(z.object(channel)).max(256),
    /** The revision of each app's settings that this host has. */
    settings: map(revision, 256),
    /** The number of the revocation list that it has, if it has one. */
    revocations: revision.optional(),
    /** Where other hosts reach this one (multiaddrs that end with its peer id). */
    addresses: z.array(address).max(8),
  }),
  report: z.object({
    type: z.literal('report'),
    channels: z.array(channelReportSchema).min(1).max(256),
  }),
  renew: z.object({ type: z.literal('renew') }),
  /** What time is it with you? The number comes back with the answer. */
  time: z.object({ type: z.literal('time'), asked: z.int().nonnegative() }),
  /** The list that it has, where the tracker's is older or another: the fleet's key has signed both. */
  revocations: z.object({ type: z.literal('revocations'), text: revocationsText }),
};

const trackerSchemas = {
  welcome: z.object({
    type: z.literal('welcome'),
    fleetTime: z.iso.datetime(),
    credential: credentialText.optional(),
    revocations: revocationsText.optional(),
  }),
  credential: z.object({ type: z.literal('credential'), text: credentialText }),
  revocations: z.object({ type: z.literal('revocations'), text: revocationsText }),
  /** By the clock that `validUntil` is of: it goes on evenly, whatever the tracker's date is set to. */
  time: z.object({
    type: z.literal('time'),
    asked: z.int().nonnegative(),
    leaseTime: z.iso.datetime(),
  }),
  /** The host has a list, and the tracker has none: it is to send it. */
  revocationsWanted: z.object({ type: z.literal('revocationsWanted') }),
  permits: z.object({ type: z.literal('permits'), permits: z.array(permit).max(1_024) }),
  settings: z.object({
    type: z.literal('settings'),
    app: name,
    revision,
    /** By NAME, or NAME@ZONE. */
    values: z
      .record(z.string().min(1).max(130), z.union([z.string(), z.number(), z.boolean()]))
      .refine((all) => Object.keys(all).length <= 1_024, 'too many keys'),
  }),
  /** All images that are to be fetched now, released or not. What was said before is void. */
  preheat: z.object({
    type: z.literal('preheat'),
    images: z.array(z.object({ app: name, imageId })).max(64),
  }),
  news: z.object({ type: z.literal('news'), channels: z.array(z.object(channel)).min(1).max(256) }),
  /** Where the control planes of this fleet's trackers are, with their peer ids. */
  trackers: z.object({ type: z.literal('trackers'), addresses: z.array(address).min(1).max(16) }),
  /** Other hosts to connect to, so that hints arrive without a tracker. */
  peers: z.object({ type: z.literal('peers'), addresses: z.array(address).max(64) }),
};

type MessageOf<Schemas extends Record<string, z.ZodType>> = z.output<Schemas[keyof Schemas]>;

export type TimeQuestion = z.output<typeof hostSchemas.time>;
export type TimeAnswer = z.output<typeof trackerSchemas.time>;
/** What a session hands on: it asks and answers what time it is by itself. */
export type HostMessage = Exclude<MessageOf<typeof hostSchemas>, TimeQuestion>;
export type TrackerMessage = Exclude<MessageOf<typeof trackerSchemas>, TimeAnswer>;
export type Hello = z.output<typeof hostSchemas.hello>;
export type ChannelReport = z.output<typeof channelReportSchema>;
export type Permit = z.output<typeof permit>;

const typed = z.object({ type: z.string().min(1).max(40) });

/**
 * @returns undefined when the message is of a type that is not known here
 * @throws PeerError PEER_PROTOCOL
 */
export const parseHostMessage = (frame: Uint8Array): HostMessage | TimeQuestion | undefined =>
  parse<HostMessage | TimeQuestion>(hostSchemas, frame);

/**
 * @returns undefined when the message is of a type that is not known here
 * @throws PeerError PEER_PROTOCOL
 */
export const parseTrackerMessage = (frame: Uint8Array): TrackerMessage | TimeAnswer | undefined =>
  parse<TrackerMessage | TimeAnswer>(trackerSchemas, frame);

function parse<Message>(
  schemas: Readonly<Record<string, z.ZodType>>,
  frame: Uint8Array,
): Message | undefined {
  const value = decodeFrame(frame);
  const { type } = parseAs(typed, value, 'a message');
  if (!Object.hasOwn(schemas, type)) return undefined;
  const schema = schemas[type] as z.ZodType<Message>;
  return parseAs(schema, value, `a message "${type}"`);
}

/** @throws PeerError PEER_PROTOCOL that says what of the value is wrong, and shows none of it */
export function parseAs<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.').slice(0, 200) ?? '';
  const why = `${where === '' ? '' : `${where}: `}${issue?.message.slice(0, 200) ?? 'malformed'}`;
  throw new PeerError('PEER_PROTOCOL', `the peer sent ${what} that is malformed: ${why}`, {
    evidence: { where },
  });
}
