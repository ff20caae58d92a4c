import type { MemberGrant } from '../../src/api/index.ts';
import { Option, parsePair, repeatable, type Command } from '../../src/cli/index.ts';
import { ConfigError } from '../../src/errors.ts';

const roles: readonly MemberGrant['roles'][number][] = ['host', 'seeder', 'operator'];

/** What a member is to be and to do, as it was typed. */
export interface GrantOptions {
  readonly role?: readonly string[] | undefined;
  readonly app?: readonly string[] | undefined;
  readonly label?: readonly string[] | undefined;
}

export const addGrantOptions = (command: Command): Command =>
  command
    .addOption(
      repeatable(new Option('--role <role>', 'host (if nothing is said), seeder or operator')),
    )
    .addOption(
      repeatable(
        new Option('--app <pattern>', "what it may fetch: an app, 'team-*' or '*'; several times"),
      ),
    )
    .addOption(
      repeatable(new Option('--label <name=value>', 'what is said of it, like rack=r1; several')),
    );

/** @throws ConfigError CONFIG_INVALID */
export const grantFrom = ({
  role = ['host'],
  app = [],
  label = [],
}: GrantOptions): MemberGrant => ({
  roles: role.map(roleOf),
  apps: [...app],
  labels: Object.fromEntries(label.map((text) => parsePair(text))),
});

export function roleOf(text: string): MemberGrant['roles'][number] {
  const role = roles.find((known) => known === text);
  if (role !== undefined) return role;
  throw new ConfigError('CONFIG_INVALID', `"${text}" is no role: ${roles.join(', ')}`);
}
