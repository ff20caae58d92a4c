import type { Exchange } from '../../src/swarm/index.ts';
import type { Log } from '../guard.ts';

/** An image that is to be here before it is released. */
export interface PreheatImage {
  readonly app: string;
  readonly imageId: string;
}

export interface PreheatingComponents {
  readonly exchange: Exchange;
  readonly log: Log;
  /** More images are whole than before. */
  readonly onChange: () => void;
}

/** Fetches images before anything is released, and serves them; nothing is activated. */
export class Preheating {
  readonly #components: PreheatingComponents;
  /** Those that were asked for last, by image id. */
  #wanted: ReadonlyMap<string, PreheatImage> = new Map();

  constructor(components: PreheatingComponents) {
    this.#components = components;
  }

  /** From now on these are wanted, and no others. What is here already stays. */
  want(images: readonly PreheatImage[]): void {
    const { exchange } = this.#components;
    this.#wanted = new Map(images.map((image) => [image.imageId, image]));
    for (const { app, imageId } of images) {
      exchange.addApps(imageId, [app]);
      if (exchange.swarm(imageId) === undefined) this.#fetch(app, imageId);
    }
    this.#components.onChange();
  }

  /** Which images of an app that are wanted are all here. */
  wholeOf(app: string): string[] {
    return [...this.#wanted.values()]
      .filter((image) => image.app === app && this.#isWhole(image.imageId))
      .map(({ imageId }) => imageId);
  }

  /** Whether an image is wanted, so that its parts are not removed. */
  wants(imageId: string): boolean {
    return this.#wanted.has(imageId);
  }

  #isWhole(imageId: string): boolean {
    return this.#components.exchange.swarm(imageId)?.isWhole === true;
  }

  #fetch(app: string, imageId: string): void {
    const { exchange, log, onChange } = this.#components;
    const swarm = exchange.fetch(imageId, { apps: [app] });
    swarm.completed.then(onChange, (error: unknown) => {
      log.warn({ err: error, app, imageId }, 'an image could not be preheated');
    });
  }
}
