import { ConfigError } from '../errors.ts';

/**
 * Checks where images lie for HTTP.
 * @throws ConfigError CONFIG_INVALID
 */
export function parseWebSeed(text: string): string {
  const refuse = (why: string): ConfigError =>
    new ConfigError(
      'CONFIG_INVALID',
      `"${text}" is no web seed like http://origin/store/{id}/: ${why}`,
    );
  if (!URL.canParse(text)) throw refuse('it is no URL');
  const { protocol, search, hash } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') throw refuse('it is neither http nor https');
  if (search !== '' || hash !== '') throw refuse('it has a query or a fragment');
  return text;
}

/** The folder of an image, with a slash at its end (BEP 19: names are appended to it). */
export function webSeedFolder(template: string, imageId: string): string {
  const url = template.replaceAll('{id}', imageId);
  return url.endsWith('/') ? url : `${url}/`;
}
