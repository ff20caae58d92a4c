import { isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import { ConfigError } from '../../src/errors.ts';

const protocols = ['http:', 'https:', 'ws:', 'wss:', 'udp:'];

/** Throws unless these are URLs of BitTorrent trackers. @throws ConfigError CONFIG_INVALID */
export function checkTrackerUrls(urls: readonly string[]): void {
  for (const url of urls) {
    if (URL.canParse(url) && protocols.includes(new URL(url).protocol)) continue;
    throw new ConfigError(
      'CONFIG_INVALID',
      `--tracker: "${url}" is not a tracker's URL (http, https, ws, wss or udp)`,
    );
  }
}

const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

/** What others reach the gateway's own tracker by: its host's name, where it listens everywhere. */
export const publicUrl = (host: string, port: number): string =>
  `ws://${inUrl(isWildcard(host) ? hostname() : host)}:${port}`;

/**
 * Where the gateway announces itself at its own tracker: for browsers always, and for TCP where the
 * tracker sees it by an address that others can use, which loopback is not.
 */
export function ownUrls(host: string, port: number): string[] {
  if (isWildcard(host)) return [`ws://127.0.0.1:${port}`];
  return [`ws://${inUrl(host)}:${port}`, `http://${inUrl(host)}:${port}/announce`];
}

const inUrl = (host: string): string => (isIPv6(host) ? `[${host}]` : host);
