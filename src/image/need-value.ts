import type { Need } from './manifest-schema.ts';

export type NeedType = Need['type'];

const needTypes: ReadonlySet<string | undefined> = new Set<NeedType>([
  'string',
  'url',
  'endpoint',
  'port',
  'number',
  'boolean',
]);

/** Whether a text names a type of needs. */
export const isNeedType = (text: string | undefined): text is NeedType => needTypes.has(text);

/** The value of a need as an app reads it: a number for `number` and `port`. */
export type NeedValue = string | number | boolean;

/** Longer values are refused; a variable of the environment holds twice as much. */
export const maxNeedValueBytes = 64 * 1024;

/**
 * Checks a text as the value of a need of that type.
 * @returns what is wrong with it, to be read after the name; undefined when nothing is.
 */
export function needFault(type: NeedType, text: string): string | undefined {
  if (text.includes('\0')) return 'holds a NUL character';
  if (Buffer.byteLength(text) > maxNeedValueBytes) {
    return `is longer than ${maxNeedValueBytes} bytes`;
  }
  switch (type) {
    case 'string':
      return undefined;
    case 'port':
      return isPort(text) ? undefined : 'must be a port, 1 to 65535';
    case 'number':
      return /\S/.test(text) && Number.isFinite(Number(text)) ? undefined : 'must be a number';
    case 'boolean':
      return text === 'true' || text === 'false' ? undefined : 'must be true or false';
    case 'url':
      return URL.canParse(text) ? undefined : 'must be a URL, such as http://host:port/path';
    case 'endpoint':
      return isEndpoint(text) ? undefined : 'must be an endpoint, host:port';
  }
}

/** The value that a text without fault stands for. */
export function needValue(type: NeedType, text: string): NeedValue {
  switch (type) {
    case 'number':
    case 'port':
      return Number(text);
    case 'boolean':
      return text === 'true';
    case 'string':
    case 'url':
    case 'endpoint':
      return text;
  }
}

/** Whether a text is a port, 1 to 65535. */
export function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
}

function isEndpoint(text: string): boolean {
  const match = /^(?:\[[0-9A-Fa-f:.%]+\]|[^\s:/@[\]]+):(\d+)$/.exec(text);
  return match?.[1] !== undefined && isPort(match[1]);
}
