import { readManifest, type StoredImage } from '../src/image/index.ts';
import type { Exchange } from '../src/swarm/index.ts';
import type { Release } from '../src/trust/index.ts';
import { abortable } from './abortable.ts';
import type { ActivationOptions, ActivationProgress } from './activation-types.ts';
import type { Activation } from './activation.ts';

export type StepEvent =
  | { readonly event: 'fetched'; readonly release: Release; readonly reusedBytes: number }
  | { readonly event: 'activating'; readonly release: Release; readonly step: ActivationProgress }
  | { readonly event: 'active'; readonly release: Release; readonly generation: number };

export interface ReleaseStepsComponents {
  readonly exchange: Pick<Exchange, 'fetch' | 'leave'>;
  readonly activation: Pick<Activation, 'activate'>;
}

export interface ReleaseStepsInit {
  readonly app: string;
  readonly onEvent: (event: StepEvent) => void;
  /** After an activation: removes what no generation needs any more. */
  readonly onActivated: () => Promise<void>;
}

/** What is done with a release on a host: its image is fetched, and activated. */
export class ReleaseSteps {
  readonly #components: ReleaseStepsComponents;
  readonly #init: ReleaseStepsInit;

  constructor(components: ReleaseStepsComponents, init: ReleaseStepsInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Fetches and verifies the image, and serves it from then on. */
  async fetch(release: Release, signal: AbortSignal): Promise<StoredImage> {
    const { imageId, infoBytes } = release;
    const { exchange } = this.#components;
    const swarm = exchange.fetch(imageId, { infoBytes, apps: [this.#init.app] });
    try {
      const image = await abortable(swarm.completed, signal);
      const { reusedBytes } = swarm.status();
      this.#init.onEvent({ event: 'fetched', release, reusedBytes });
      return image;
    } catch (error) {
      await exchange.leave(imageId);
      throw error;
    }
  }

  /** @throws as Activation.activate */
  async activate(
    release: Release,
    image: StoredImage,
    options: Pick<ActivationOptions, 'signal' | 'begin'> & { readonly onStep?: () => void },
  ): Promise<void> {
    const manifest = await readManifest(image.tree);
    const { imageId, version } = release;
    const generation = await this.#components.activation.activate(
      { imageId, tree: image.tree, manifest, release: release.release, version },
      {
        signal: options.signal,
        begin: options.begin,
        onProgress: (step) => {
          options.onStep?.();
          this.#init.onEvent({ event: 'activating', release, step });
        },
      },
    );
    this.#init.onEvent({ event: 'active', release, generation: generation.number });
    await this.#init.onActivated();
  }
}
