import { ConfigError, ImageError } from '../src/errors.ts';
import type { Manifest, Need } from '../src/image/index.ts';

const maxValueBytes = 64 * 1024;

/**
 * The values of what a manifest needs: supplied, or else its default, checked against its type.
 * What is supplied and not needed is left out.
 * @throws ConfigError CONFIG_NEEDS_UNMET that names each one that is missing or of a wrong type.
 * @throws ImageError IMAGE_MANIFEST when a need has a name that Starling itself uses.
 */
export function resolveNeeds(
  manifest: Manifest,
  supplies: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
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
    const fault = value === undefined ? 'is not supplied' : faultOf(need.type, value);
    if (fault !== undefined) faults.set(name, fault);
    else if (value !== undefined) values.set(name, value);
  }
  if (faults.size > 0) {
    const list = [...faults].map(([name, fault]) => `${name} ${fault}`).join('; ');
    throw new ConfigError(
      'CONFIG_NEEDS_UNMET',
      `The image ${manifest.name} ${manifest.version} can't run here: ${list}. Supply it and try again.`,
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

/** What is wrong with a value of that type; undefined when nothing is. */
function faultOf(type: Need['type'], value: string): string | undefined {
  if (value.includes('\0')) return 'holds a NUL character';
  if (Buffer.byteLength(value) > maxValueBytes) return `is longer than ${maxValueBytes} bytes`;
  switch (type) {
    case 'string':
      return undefined;
    case 'port':
      return isPort(value) ? undefined : 'must be a port, 1 to 65535';
    case 'number':
      return /\S/.test(value) && Number.isFinite(Number(value)) ? undefined : 'must be a number';
    case 'boolean':
      return value === 'true' || value === 'false' ? undefined : 'must be true or false';
    case 'url':
      return URL.canParse(value) ? undefined : 'must be a URL, such as http://host:port/path';
    case 'endpoint':
      return isEndpoint(value) ? undefined : 'must be an endpoint, host:port';
  }
}

/** Whether a text is a port, 1 to 65535. */
export function isPort(value: string): boolean {
  return /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535;
}

function isEndpoint(value: string): boolean {
  const match = /^(?:\[[0-9A-Fa-f:.%]+\]|[^\s:/@[\]]+):(\d+)$/.exec(value);
  return match?.[1] !== undefined && isPort(match[1]);
}
