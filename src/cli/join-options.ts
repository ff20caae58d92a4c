import type { FleetLog, OpenedFleetLink } from '../control/index.ts';
import { ConfigError } from '../errors.ts';
import { Option, type Command } from './program.ts';
import type { TransportOptions } from './transport-options.ts';
import { parsePort } from './units.ts';
import { starlingVersion } from './version.ts';

/** How a program belongs to a fleet that has a tracker, as its options say. */
export interface JoinOptions {
  readonly join?: string | undefined;
  readonly controlPort: number;
}

export const addJoinOptions = (command: Command): Command =>
  command
    .addOption(
      new Option(
        '--join <token>',
        'join the fleet by this token, or ask to by this invitation; needed once, how it belongs is kept',
      ).env('STARLING_JOIN'),
    )
    .addOption(
      new Option('--control-port <port>', "where others reach this one's control plane")
        .argParser(parsePort)
        .env('STARLING_CONTROL_PORT')
        .default(0, 'the system gives one'),
    );

/**
 * Opens the control plane of a member that has joined a fleet, or joins one now.
 * @param init `directory`: where it is kept how it belongs
 * @returns undefined where members are known in another way, or it never joined
 * @throws ConfigError, TrackerError, StorageError; the signal's reason
 */
export async function openMembership(
  options: JoinOptions & TransportOptions & { readonly host: string },
  init: { readonly directory: string; readonly identityPath: string; readonly log: FleetLog },
  { signal }: { readonly signal: AbortSignal },
): Promise<(OpenedFleetLink & AsyncDisposable) | undefined> {
  const { members, fleet, open = false, join } = options;
  if (members !== undefined || fleet !== undefined || open) {
    if (join === undefined) return undefined;
    throw new ConfigError(
      'CONFIG_INVALID',
      '--join says who belongs to the fleet; give it without --members, --fleet and --open',
    );
  }
  const { openFleetLink } = await import('../control/index.ts');
  const { directory, identityPath, log } = init;
  return await openFleetLink(
    { log, random: Math.random },
    {
      ...options,
      directory,
      identityPath: options.identity ?? identityPath,
      version: starlingVersion,
    },
    { signal },
  );
}
