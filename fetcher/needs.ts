import { ConfigError, ImageError } from '../src/errors.ts';
import { needFault, type Manifest } from '../src/image/index.ts';

/** Gives values to needs, by name: what holds just now. */
export interface Supplies {
  get(name: string): string | undefined;
}

/**
 * The values of what a manifest needs: supplied, or else its default, checked against its type.
 * What is supplied and not needed is left out.
 * @throws ConfigError CONFIG_NEEDS_UNMET that names each one that is missing or of a wrong type.
 * @throws ImageError IMAGE_MANIFEST when a need has a name that Starling itself uses.
 */
export function resolveNeeds(manifest: Manifest, supplies: Supplies): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const faults = new Map<string, string>();
  for (const [name, need] of Object.entries(manifest.needs ?? {})) {
    if (name.startsWith('STARLING_')) {
      throw new ImageError(
        'IMAGE_MANIFEST',
        `The image ${manifest.name} ${manifest.version} needs ${name}, but names that begin with STARLING_ are set by Starling; bake it with another name.`,
        { evidence: { name } },
      );
    }
    const value =
      supplies.get(name) ?? (need.default === undefined ? undefined : `${need.default}`);
    const fault = value === undefined ? 'is not supplied' : needFault(need.type, value);
    if (fault !== undefined) faults.set(name, fault);
    else if (value !== undefined) values.set(name, value);
  }
  if (faults.size > 0) {
    const list = [...faults].map(([name, fault]) => `${name} ${fault}`).join('; ');
    throw new ConfigError(
      'CONFIG_NEEDS_UNMET',
      `The image ${manifest.name} ${manifest.version} can't run here: ${list}. Set it for the fleet, or supply it to this fetcher.`,
      { evidence: { needs: Object.fromEntries(faults) } },
    );
  }
  return values;
}

/**
 * Puts values in place of `${NAME}`. Other uses of `$` stay as they are.
 * @throws ImageError IMAGE_MANIFEST when a name is not among the manifest's needs.
 */
export function fillIn(text: string, values: ReadonlyMap<string, string>, where: string): string {
  return text.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
    const value = values.get(name);
    if (value !== undefined) return value;
    throw new ImageError(
      'IMAGE_MANIFEST',
      `The manifest's ${where} refers to \${${name}}, which is not among its needs; add it to needs and bake again.`,
      { evidence: { name, where } },
    );
  });
}

/**
 * What a refusal for needs that are not met says.
 * @returns what is wrong with each need, by its name; undefined for any other error.
 */
export function unmetNeeds(error: unknown): Readonly<Record<string, string>> | undefined {
  if (!(error instanceof ConfigError) || error.code !== 'CONFIG_NEEDS_UNMET') return undefined;
  return error.evidence.needs as Readonly<Record<string, string>>;
}
