import { ConfigError } from '../errors.ts';
import { Seal } from '../swarm/index.ts';
import { Identity } from '../trust/sealed.ts';
import { listenAddress } from './addresses.ts';
import { systemClock } from './clock.ts';
import { FleetLink, type FleetLog } from './fleet-link.ts';
import { parseJoinToken } from './join-token.ts';
import { MembershipFile, type MembershipRecord } from './membership-file.ts';

export interface FleetLinkOptions {
  /** Where this host keeps how it belongs. */
  readonly directory: string;
  readonly identityPath: string;
  /** The text of a join token. */
  readonly join?: string | undefined;
  /** Where other hosts reach this one's control plane; port 0: the system gives one. */
  readonly host: string;
  readonly controlPort: number;
  readonly zone: string;
  readonly rack: string;
  /** Of the program, for people. */
  readonly version: string;
}

export interface OpenedFleetLink {
  readonly seal: Seal;
  readonly link: FleetLink;
  readonly fleetId: string;
}

/**
 * Opens the control plane of a host that has joined a fleet, or joins one now.
 * @returns undefined when it never has, and has no token
 * @throws ConfigError CONFIG_INVALID for a bad token, or one of another fleet than it belongs to;
 *   TrackerError TRACKER_REFUSED when the fleet does not take it; StorageError; the signal's reason
 */
export async function openFleetLink(
  { log, random }: { readonly log: FleetLog; readonly random: () => number },
  options: FleetLinkOptions,
  { signal }: { readonly signal: AbortSignal },
): Promise<(OpenedFleetLink & AsyncDisposable) | undefined> {
  const file = new MembershipFile(options);
  const kept = await file.read();
  const token = options.join === undefined ? undefined : parseJoinToken(options.join);
  if (kept === undefined && token === undefined) return undefined;
  if (kept !== undefined && token !== undefined && kept.fleetId !== token.fleet) {
    throw new ConfigError(
      'CONFIG_INVALID',
      `this host belongs to the fleet ${kept.fleetId}, and the token is of ${token.fleet}: remove ${file.path} if it is to change`,
      { evidence: { expected: kept.fleetId, actual: token.fleet } },
    );
  }
  const record: MembershipRecord = {
    ...(kept ?? { fleetId: token?.fleet ?? '' }),
    trackers: [...(token?.trackers ?? kept?.trackers ?? [])],
  };
  await using resources = new AsyncDisposableStack();
  const onWarning = (message: string, error: unknown) => {
    log.warn({ err: error }, message);
  };
  const { identityPath } = options;
  const { fleetId } = record;
  const seal = resources.use(await Seal.open({ identityPath, fleet: { fleetId }, onWarning }));
  const { fleet: membership } = seal;
  if (membership === undefined) throw new Error('a seal of a fleet has its membership');
  if (record.revocations !== undefined) membership.takeRevocations(record.revocations);
  if (record.credential !== undefined) membership.takeCredential(record.credential);
  const link = resources.use(
    await FleetLink.open(
      {
        identity: await Identity.open(identityPath),
        membership,
        file,
        clock: systemClock,
        random,
        log,
      },
      {
        record,
        listen: [listenAddress(options.host, options.controlPort)],
        labels: labelsOf(options),
        version: options.version,
      },
    ),
  );
  // Who has a credential starts without a tracker, and runs what it ran.
  if (membership.whyOutcast(new Date()) !== undefined && kept?.credential === undefined) {
    await link.join(token?.secret, { signal });
  }
  const all = resources.move();
  return { seal, link, fleetId, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

const labelsOf = ({ zone, rack }: FleetLinkOptions): Record<string, string> => ({
  ...(zone === '' ? {} : { zone }),
  ...(rack === '' ? {} : { rack }),
});
