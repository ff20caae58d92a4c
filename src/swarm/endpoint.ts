import type { Endpoint } from './announce.ts';

/** How an endpoint is written, and by what it is known: `host:port`, of IPv6 in brackets. */
export const endpointText = ({ host, port }: Endpoint): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
