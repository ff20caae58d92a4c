import * as z from 'zod';
import { ConfigError } from '../errors.ts';
import { isPeerId } from '../trust/sealed.ts';
import { parsePeerAddress } from './addresses.ts';

/**
 * What a host is given to join by: it names the fleet and its trackers by their keys, so that nobody in
 * between can take their place. A secret, which is good once, shows the tracker that an operator wants this
 * host. Without one it is an invitation: any host may ask by it, and waits until an operator approves it.
 */
export interface JoinToken {
  /** The fleet's public key, as a peer id. */
  readonly fleet: string;
  /** As `parsePeerAddress` reads them. */
  readonly trackers: readonly string[];
  readonly secret?: string | undefined;
}

const prefix = 'starling-join:';
const maxTokenChars = 8_192;
const schema = z.object({
  fleet: z.string().max(100).refine(isPeerId, 'is not a peer id'),
  trackers: z.array(z.string().max(300)).min(1).max(16),
  secret: z
    .string()
    .regex(/^[A-Za-z0-9_-]{16,128}$/, 'is not a secret in base64url')
    .optional(),
});

/**
 * The token as one line of text.
 * @throws ConfigError CONFIG_INVALID when it can't be one
 */
export function formatJoinToken(token: JoinToken): string {
  const { fleet, trackers, secret } = checked(token);
  const json = JSON.stringify({ fleet, trackers, secret });
  return `${prefix}${Buffer.from(json, 'utf8').toString('base64url')}`;
}

/** @throws ConfigError CONFIG_INVALID; its message shows nothing of the token, which is a secret */
export function parseJoinToken(text: string): JoinToken {
  const line = text.trim();
  if (!line.startsWith(prefix)) throw invalid(`it does not begin with ${prefix}`);
  if (line.length > maxTokenChars) throw invalid(`it is longer than ${maxTokenChars} characters`);
  const encoded = line.slice(prefix.length);
  if (!/^[A-Za-z0-9_-]+$/.test(encoded)) throw invalid('it is not base64url');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'));
  } catch {
    throw invalid('it was cut or changed');
  }
  return checked(value);
}

function checked(value: unknown): JoinToken {
  const result = schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw invalid(`${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim());
  }
  for (const tracker of result.data.trackers) parsePeerAddress(tracker);
  return result.data;
}

const invalid = (why: string): ConfigError =>
  new ConfigError(
    'CONFIG_INVALID',
    `the join token can't be used: ${why}. Give it as the tracker printed it, one line that begins with ${prefix}`,
  );
