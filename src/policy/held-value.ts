/** Where the value of a need comes from. */
export type ValueSource = 'zone' | 'fleet' | 'supply' | 'default';

/** All that may give a need its value on one host. */
export interface ValueSources {
  /** What the fleet says, by NAME, or by NAME@ZONE for the hosts of one zone. */
  readonly fleet: ReadonlyMap<string, string>;
  /** The zone of the host; empty: none. */
  readonly zone: string;
  /** What the host was started with, by name. */
  readonly supplies: ReadonlyMap<string, string>;
}

export interface HeldValue {
  readonly value: string;
  readonly source: ValueSource;
}

/** Under what a value is kept: NAME, or NAME@ZONE where it is for one zone. */
export const valueKey = (name: string, zone: string): string =>
  zone === '' ? name : `${name}@${zone}`;

/**
 * The value that a need has on a host: the fleet's for its zone, else the fleet's for all, else what
 * the host was started with, else the default of the manifest. The fleet comes first, so that what
 * an operator sets for all hosts holds on all of them, whatever one was once started with.
 * @returns undefined when nothing gives it a value.
 */
export function heldValue(
  name: string,
  from: ValueSources,
  byDefault?: string | number | boolean,
): HeldValue | undefined {
  const candidates: readonly (readonly [ValueSource, string | undefined])[] = [
    ['zone', from.zone === '' ? undefined : from.fleet.get(valueKey(name, from.zone))],
    ['fleet', from.fleet.get(name)],
    ['supply', from.supplies.get(name)],
    ['default', byDefault === undefined ? undefined : `${byDefault}`],
  ];
  for (const [source, value] of candidates) {
    if (value !== undefined) return { value, source };
  }
  return undefined;
}
