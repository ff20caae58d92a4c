import { RolloutClient, type FleetRolloutPreview } from '../src/api/index.ts';
import { openOperatorClient, type OperatorOptions } from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';

/**
 * Asks the tracker which hosts would move in which wave.
 * @throws ConfigError CONFIG_MISSING without a plan; TrackerError
 */
export async function previewRelease(
  options: Omit<OperatorOptions, 'deadline'>,
  release: {
    readonly app: string;
    readonly channel: string;
    readonly imageId: string;
    readonly rollout: string | undefined;
  },
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<{ readonly result: FleetRolloutPreview; readonly text: string }> {
  const { rollout: plan, app, channel, imageId } = release;
  if (plan === undefined) {
    throw new ConfigError(
      'CONFIG_MISSING',
      'without a rollout all hosts move at once: say --rollout to see its waves',
    );
  }
  const rollouts = new RolloutClient({ tracker: await openOperatorClient(options) });
  const result = await rollouts.preview({ app, channel, imageId, plan }, { signal });
  return { result, text: textOf(result) };
}

function textOf({ sizes, hosts, total }: FleetRolloutPreview): string {
  const waves = sizes.map((size, at) => `wave ${at + 1}: ${size} hosts tried in all`);
  const lines = hosts.map(
    ({ peerId, standing, wave }) =>
      `${peerId}  ${wave === undefined ? 'no wave' : `wave ${wave}`}  ${standing}`,
  );
  const more = total > hosts.length ? [`and ${total - hosts.length} more`] : [];
  return [...waves, ...lines, ...more].join('\n');
}
