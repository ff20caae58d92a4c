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

/** What others reach the gateway's own tracker by; browsers by the first. */
export interface OwnTrackerUrls {
  readonly webSocket: string;
  /** Where the gateway announces itself. */
  readonly announce: readonly string[];
  /** What stands in magnet links. */
  readonly public: readonly string[];
}

/**
 * Where the gateway listens everywhere, others know it by its host's name. It then can't announce
 * itself for TCP at its own tracker, which would see it come from loopback.
 */
export function ownTrackerUrls(host: string, port: number): OwnTrackerUrls {
  if (host === '0.0.0.0' || host === '::') {
    const webSocket = `ws://${hostname()}:${port}`;
    return { webSocket, announce: [`ws://127.0.0.1:${port}`], public: [webSocket] };
  }
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const webSocket = `ws://${authority}`;
  const both = [webSocket, `http://${authority}/announce`];
  return { webSocket, announce: both, public: both };
}
