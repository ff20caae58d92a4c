import {
  jsonOption,
  Option,
  parseDuration,
  repeatable,
  runCommand,
  type Command,
} from '../../src/cli/index.ts';

interface DirectoryOptions {
  readonly dir: string;
  readonly json?: boolean;
}

interface CredentialOptions extends DirectoryOptions {
  readonly peer: string;
  readonly role: readonly string[];
  readonly app?: readonly string[];
  readonly label?: readonly string[];
  readonly ttl: number;
}

interface RevokeOptions extends DirectoryOptions {
  readonly peer: readonly string[];
}

const examples = `
Whoever has fleet.key can make anybody a member: keep it where few can get at it.

Examples:
  tracker fleet init --dir fleet
  tracker fleet credential --dir fleet --peer 12D3Koo… --role host --app 'team-*' --ttl 24h > host.credential
  tracker fleet revoke --dir fleet --peer 12D3Koo…
`;

/** Makes a fleet's key, and what it signs, without a tracker: for tests and small fleets. */
export function addFleetCommand(program: Command): void {
  const fleet = program
    .command('fleet')
    .description('make a fleet, and say who belongs to it, without a running tracker')
    .addHelpText('after', examples);
  addInit(fleet);
  addCredential(fleet);
  addRevoke(fleet);
}

const directoryOption = (): Option =>
  new Option('--dir <directory>', 'where the key and the revocation list of the fleet are')
    .env('STARLING_FLEET_DIR')
    .makeOptionMandatory();

function addInit(fleet: Command): void {
  fleet
    .command('init')
    .description('make the key of a fleet, unless there is one, and print its id')
    .addOption(directoryOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((options: DirectoryOptions) =>
      runCommand(options, async ({ output }) => {
        const { createFleet } = await import('./offline-fleet.ts');
        const { fleetId, keyPath } = await createFleet(options.dir);
        output.result({ fleetId, keyPath }, fleetId);
      }),
    );
}

function addCredential(fleet: Command): void {
  fleet
    .command('credential')
    .description('print a credential for a member')
    .addOption(directoryOption())
    .addOption(
      new Option(
        '--peer <id>',
        'whom it is for, as `fetcher identity` or `seeder identity` prints it',
      ).makeOptionMandatory(),
    )
    .addOption(
      repeatable(
        new Option('--role <role>', 'host, seeder or operator; several times'),
      ).makeOptionMandatory(),
    )
    .addOption(
      repeatable(
        new Option(
          '--app <pattern>',
          "what it may fetch: an app, 'team-*' or '*'; several times; without, nothing",
        ),
      ),
    )
    .addOption(
      repeatable(new Option('--label <name=value>', 'what is said of it, like rack=r1; several')),
    )
    .addOption(
      new Option('--ttl <duration>', 'how long it is good')
        .argParser(parseDuration)
        .default(86_400_000, '24h'),
    )
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((options: CredentialOptions) =>
      runCommand(options, async ({ output }) => {
        const { makeCredential } = await import('./offline-fleet.ts');
        const made = await makeCredential(options.dir, {
          peerId: options.peer,
          roles: options.role,
          apps: options.app ?? [],
          labels: options.label ?? [],
          ttlMs: options.ttl,
          now: new Date(),
        });
        output.result(made, made.credential);
      }),
    );
}

function addRevoke(fleet: Command): void {
  fleet
    .command('revoke')
    .description('add peers to the revocation list of the fleet')
    .addOption(directoryOption())
    .addOption(
      repeatable(
        new Option('--peer <id>', 'who is not a member any more; several times'),
      ).makeOptionMandatory(),
    )
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((options: RevokeOptions) =>
      runCommand(options, async ({ output }) => {
        const { revoke } = await import('./offline-fleet.ts');
        const { number, peerIds, path } = await revoke(options.dir, options.peer, new Date());
        output.result(
          { number, peerIds, path },
          `${path} is number ${number} now, and names ${peerIds.length}; give it to all hosts`,
        );
      }),
    );
}
