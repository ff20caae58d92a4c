import { abortable } from './abortable.ts';
import type { Activation } from './activation.ts';
import { unmetNeeds } from './needs.ts';
import type { AppSettings } from './settings/app-settings.ts';

export interface LateStartComponents {
  readonly activation: Pick<Activation, 'startCurrent'>;
  readonly settings: Pick<AppSettings, 'changed'>;
}

/**
 * Starts the current generation as soon as its needs are met, unless another one is running.
 * @throws StorageError; the signal's reason
 */
export async function startWhenMet(
  { activation, settings }: LateStartComponents,
  init: {
    /** The next change of the settings after those that did not do. */
    readonly changed: Promise<unknown>;
    /** Is told each time which needs are not met still. */
    readonly onUnmet: (error: unknown) => void;
  },
  options: { readonly signal: AbortSignal },
): Promise<void> {
  for (let { changed } = init; ;) {
    await abortable(changed, options.signal);
    ({ changed } = settings);
    try {
      await activation.startCurrent(options);
      return;
    } catch (error) {
      if (!unmetNeeds(error)) throw error;
      init.onUnmet(error);
    }
  }
}
