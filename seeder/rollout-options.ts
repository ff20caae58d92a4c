import { Option, repeatable, type Command } from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';
import { parsePlan } from '../src/policy/index.ts';

/** How a release is to spread, as it was typed. */
export interface RolloutOptions {
  /** A plan, or the part of it that the other options don't say. */
  readonly rollout?: string;
  readonly maxUnavailable?: string;
  readonly gate?: string;
  readonly abortOn?: string;
  /** False: `--no-go-back`. */
  readonly goBack?: boolean;
  readonly window?: readonly string[];
}

/** All but `--deadline`, which a release without a rollout has as well. */
export const addRolloutOptions = (command: Command): Command =>
  command
    .addOption(
      new Option(
        '--rollout <plan>',
        'hosts fetch at once, and activate in waves: waves=1,10%,50%,100%, or a whole plan',
      ),
    )
    .addOption(
      new Option('--max-unavailable <hosts>', 'of a rollout: so many hosts at a time, 3 or 5%'),
    )
    .addOption(new Option('--gate <duration>', 'of a rollout: so long a wave must be healthy'))
    .addOption(new Option('--abort-on <hosts>', 'of a rollout: so many failures stop it, 2 or 2%'))
    .addOption(
      new Option('--no-go-back', 'of a rollout: when it is stopped hosts stay as they are'),
    )
    .addOption(
      repeatable(
        new Option(
          '--window <window>',
          'of a rollout: when hosts may move, in UTC, like zone:eu@Sat+Sun/02:00-06:00; several',
        ),
      ),
    );

/**
 * The plan as the release says it; undefined: there is no rollout.
 * @param deadline what `--deadline` said, as it was typed
 * @throws ConfigError CONFIG_INVALID for what is no plan, or a part of one without `--rollout`
 */
export function planFrom(options: RolloutOptions, deadline?: string): string | undefined {
  const { rollout, maxUnavailable, gate, abortOn, goBack = true, window = [] } = options;
  const parts = [
    ...said('max-unavailable', maxUnavailable),
    ...said('gate', gate),
    ...said('abort-on', abortOn),
    ...said('go-back', goBack ? undefined : 'no'),
    ...window.flatMap((one) => said('window', one)),
  ];
  if (rollout === undefined) {
    if (parts.length === 0) return undefined;
    throw new ConfigError(
      'CONFIG_INVALID',
      `${parts.join(' ')} is about a rollout, and there is none: say --rollout waves=1,10%,50%,100%`,
    );
  }
  const plan = [...rollout.split(/\s+/), ...said('deadline', deadline), ...parts]
    .filter((part) => part !== '')
    .join(' ');
  parsePlan(plan);
  return plan;
}

const said = (name: string, value: string | undefined): string[] =>
  value === undefined ? [] : [`${name}=${value}`];
