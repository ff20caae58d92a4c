import { isIPv6 } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ConfigError } from '../src/errors.ts';
import type { TrackerConfig } from './config.ts';
import { systemCode } from './durable-file.ts';
import type { TlsServer } from './tls-server.ts';
import { UdpServer, type UdpServerComponents } from './udp-server.ts';

/** Listens for HTTP. @returns the port @throws ConfigError when it can't */
export async function listenHttp(app: FastifyInstance, config: TrackerConfig): Promise<number> {
  const { host, port } = config;
  try {
    await app.listen({
      host,
      port,
      // A fleet may announce itself in the same instant.
      backlog: 4_096,
      listenTextResolver: (address) => `the tracker listens at ${address}`,
    });
  } catch (cause) {
    throw unusable(cause, host, port, '--port');
  }
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

/**
 * Listens for TLS, if that has a port of its own.
 * @returns the port; undefined where it has none
 * @throws ConfigError when it can't
 */
export async function listenTls(
  tls: TlsServer,
  { host, restPort }: TrackerConfig,
): Promise<number | undefined> {
  if (restPort === undefined) return undefined;
  try {
    return await tls.listen(host, restPort);
  } catch (cause) {
    throw unusable(cause, host, restPort, '--rest-port');
  }
}

/**
 * Listens for UDP, if it is to: at its own port, or at that of HTTP. Where the system chose that one
 * and somebody has the same of UDP, it chooses again.
 * @throws ConfigError when it can't
 */
export async function listenUdp(
  components: UdpServerComponents,
  config: TrackerConfig,
  httpPort: number,
): Promise<UdpServer | undefined> {
  if (!config.udp) return undefined;
  const { host, udpPort } = config;
  const port = udpPort ?? httpPort;
  const listen = (at: number) => UdpServer.listen(components, { ...config, port: at });
  try {
    return await listen(port);
  } catch (cause) {
    const isFree = udpPort === undefined && config.port === 0;
    if (isFree && systemCode(cause) === 'EADDRINUSE') return await listen(0);
    throw unusable(cause, host, port, '--udp-port or --no-udp');
  }
}

function unusable(cause: unknown, host: string, port: number, option: string): ConfigError {
  const code = systemCode(cause);
  const evidence = { host, port, code };
  if (code === 'EADDRINUSE') {
    const what = `port ${port} of ${host} is in use: stop what listens there, or take another port (${option})`;
    return new ConfigError('CONFIG_IN_USE', what, { cause, evidence });
  }
  const what = `the tracker can't listen at ${host}, port ${port} (${code ?? 'unknown'}): check that the address is of this machine, and that this user may take the port`;
  return new ConfigError('CONFIG_INVALID', what, { cause, evidence });
}

/** Every address is none to connect to: from this machine it is its own. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (!isIPv6(host)) return host;
  return /^[0:]+$/.test(host) ? '[::1]' : `[${host}]`;
}
