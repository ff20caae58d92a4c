import type { AppSettingsDocument, AppValues, HostSettings } from '../../src/api/index.ts';
import { needFault, needValue, type Manifest, type Need } from '../../src/image/index.ts';
import type { Generation } from '../generation-record.ts';
import type { Log } from '../guard.ts';
import type { Supplies } from '../needs.ts';
import type { AppSettings } from './app-settings.ts';

/** A generation that is started, with the values that were found for it. */
export interface StartedImage {
  readonly generation: Generation;
  readonly manifest: Manifest;
  readonly values: ReadonlyMap<string, string>;
}

type NeedStatus = HostSettings['apps'][number]['channels'][number]['needs'][number];

/**
 * What the running generation of one channel is told: the values of its needs, and nothing else.
 * A value that goes away, or is of a wrong type for this image, is not passed on: an app has a
 * value of the right type for each need, always, so it keeps the last good one, and that is said.
 */
export class RunningSettings implements Supplies {
  readonly #settings: AppSettings;
  readonly #log: Log;
  /** Called with what changed: the generation, or its values. */
  onChange: ((what: 'generation' | 'values') => void) | undefined;
  #started: StartedImage | undefined;
  #values = new Map<string, string>();
  #faults = new Map<string, string>();

  constructor(components: { readonly settings: AppSettings; readonly log: Log }) {
    this.#settings = components.settings;
    this.#log = components.log;
    components.settings.onChange(() => {
      if (this.#refresh()) this.onChange?.('values');
    });
  }

  /** A generation is about to be started: from here on all is about it. */
  show(started: StartedImage): void {
    this.#started = started;
    this.#values = new Map(started.values);
    this.#faults.clear();
    this.#refresh();
    this.onChange?.('generation');
  }

  /** The value that the app has of a need. */
  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** Everything, as the app reads it; undefined until something was started. */
  document(): AppSettingsDocument | undefined {
    if (this.#started === undefined) return undefined;
    const { app, channel, number, version } = this.#started.generation;
    const settings = this.#started.manifest.settings ?? {};
    return { app, channel, generation: number, version, ...this.values(), settings };
  }

  /** The values of all needs, as the app reads them. */
  values(): AppValues {
    const values: AppValues['values'] = {};
    for (const [name, { type }] of this.#needs()) {
      const text = this.#values.get(name);
      if (text !== undefined) values[name] = { type, value: needValue(type, text) };
    }
    return { revision: this.#settings.revision, values };
  }

  /** As an operator sees it. */
  status(): { generation?: number; needs: NeedStatus[] } {
    const needs = this.#needs().map(([name, need]): NeedStatus => {
      const text = this.#values.get(name);
      const source = this.#settings.held(name, need.default)?.source;
      const fault = this.#faults.get(name);
      return {
        name,
        type: need.type,
        ...(text === undefined ? {} : { value: needValue(need.type, text) }),
        ...(source === undefined ? {} : { source }),
        ...(fault === undefined ? {} : { fault }),
      };
    });
    const number = this.#started?.generation.number;
    return { ...(number === undefined ? {} : { generation: number }), needs };
  }

  /** Looks at all values again. @returns whether any of them changed */
  #refresh(): boolean {
    let changed = false;
    for (const [name, need] of this.#needs()) {
      const held = this.#settings.held(name, need.default)?.value;
      const fault = held === undefined ? undefined : needFault(need.type, held);
      if (held === undefined || fault !== undefined) {
        this.#keep(name, fault ?? 'is not supplied any more');
        continue;
      }
      this.#faults.delete(name);
      if (this.#values.get(name) === held) continue;
      this.#values.set(name, held);
      changed = true;
    }
    return changed;
  }

  #keep(name: string, fault: string): void {
    if (this.#faults.get(name) === fault) return;
    this.#faults.set(name, fault);
    const { app, revision } = this.#settings;
    this.#log.warn(
      { app, generation: this.#started?.generation.number, revision, name, fault },
      `${name} ${fault}; the app keeps the value that it has`,
    );
  }

  #needs(): [string, Need][] {
    return Object.entries(this.#started?.manifest.needs ?? {});
  }
}
