import * as z from 'zod';
import { ConfigError } from '../errors.ts';

const part = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/** The name of an app, or of a channel. */
export const channelPart = z
  .string()
  .regex(part, 'lower case letters, digits, . _ and -, 100 at most, the first a letter or digit');

/** `APP/CHANNEL`: the target path under which a release is signed. */
export const channelPathSchema = z
  .string()
  .max(201)
  .refine((text) => split(text) !== undefined, { message: 'is not of the form APP/CHANNEL' });

export interface ChannelName {
  readonly app: string;
  readonly channel: string;
}

/**
 * Reads `APP/CHANNEL`, for instance `hello/stable`.
 * @throws ConfigError CONFIG_INVALID when the text is not of that form.
 */
export function parseChannelPath(text: string): ChannelName {
  const name = split(text);
  if (name !== undefined) return name;
  const seen = text.slice(0, 250);
  throw new ConfigError(
    'CONFIG_INVALID',
    `"${seen}" does not name a channel: write APP/CHANNEL, like hello/stable, each of lower case letters, digits, ".", "_" and "-", 100 at most, the first a letter or digit`,
    { evidence: { expected: 'APP/CHANNEL', actual: seen } },
  );
}

/** The target path of a channel. */
export const channelPath = (name: ChannelName): string => `${name.app}/${name.channel}`;

function split(text: string): ChannelName | undefined {
  const [app, channel, ...rest] = text.split('/');
  if (app === undefined || channel === undefined || rest.length > 0) return undefined;
  return part.test(app) && part.test(channel) ? { app, channel } : undefined;
}
